//! Interface debugging: a scene, its parameters, and what the seller's own server made of them; what passed is kept and run again.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use kernel::{AddressId, Ctx, DebugCaseId, DebugTryId};
use market::debugging::{self, Attempted, DebugField, DebugScene, DebugVerdict, Finding, Parameters, Signing, TestCase, Try, Weight};
use market::page::PageRequest;
use market::sellers::Address;
use serde::Deserialize;

use super::common::{addresses, verdict_chip};
use crate::AppState;
use crate::auth::seller;
use crate::extract::{Form, Paging, Query, Segment};
use crate::pages::again;
use crate::pages::attempts::{curl, pretty};
use crate::pages::form::Filled;
use crate::pages::form::{NoFields, Pairs, refused};
use crate::pages::parts::{Chip, Choice, Stamp, more, more_of};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::{Page, go_to, go_to_done};
use crate::problem::ApiResult;
use crate::texts;

/// How many tries the page of the form shows.
const RECENT: i64 = 8;
/// So many test cases are run by one press of the button, at once: a request may not last long.
const RUN_AT_ONCE: i64 = 8;

fn scene_label(scene: DebugScene, words: &Words) -> String {
    words.s(&format!("page-sell-debug-{}", scene.word().replace('_', "-")))
}

/// A field of the form.
struct FieldView {
    name: &'static str,
    label: String,
    hint: String,
    required: bool,
}

fn field_views(scene: DebugScene, words: &Words) -> Vec<FieldView> {
    let view = |field: &DebugField| {
        let key = field.word().replace('_', "-");
        let hint = match field {
            DebugField::InstanceId if scene == DebugScene::Query => words.s("page-sell-debug-hint-instances"),
            DebugField::ExpireTime => words.s("page-sell-debug-hint-expire-time"),
            DebugField::OrderId => words.s("page-sell-debug-hint-order-id"),
            _ => String::new(),
        };
        FieldView {
            name: field.word(),
            label: words.s(&format!("page-sell-debug-field-{key}")),
            hint,
            required: !scene.is_optional(*field),
        }
    };
    scene.fields().iter().map(view).collect()
}

struct TryRow {
    href: String,
    scene: String,
    address: String,
    at: Stamp,
    elapsed: String,
    forged: bool,
    chip: Chip,
}

fn try_row(tried: &Try, addresses: &[Address], now: i64, words: &Words) -> TryRow {
    TryRow {
        href: format!("/seller/debug/tries/{}", tried.id),
        scene: scene_label(tried.scene, words),
        address: name_of(addresses, tried.address_id),
        at: words.stamp(tried.at, now),
        elapsed: tried.elapsed_ms.map_or_else(String::new, |ms| format!("{ms} ms")),
        forged: tried.signing == Signing::Forged,
        chip: verdict_chip(tried.verdict, words),
    }
}

fn name_of(addresses: &[Address], id: AddressId) -> String {
    addresses.iter().find(|address| address.id == id).map_or_else(String::new, |address| address.name.clone())
}

/// What is chosen before the parameters are filled in.
#[derive(Deserialize, Default)]
pub(crate) struct Chosen {
    #[serde(default)]
    address: String,
    #[serde(default)]
    scene: String,
    #[serde(default)]
    signing: String,
    /// A try whose parameters are to be used again.
    #[serde(default)]
    again: String,
}

#[derive(Template)]
#[template(path = "seller/debug.html")]
pub(crate) struct DebugPage {
    shell: Shell,
    addresses: Vec<Choice>,
    scenes: Vec<Choice>,
    signings: Vec<Choice>,
    address: String,
    url: String,
    scene: String,
    scene_what: String,
    signing: &'static str,
    fields: Vec<FieldView>,
    filled: Filled,
    recent: Vec<TryRow>,
    may_send: bool,
}

/// What the page is made for.
struct Setting {
    address: Option<AddressId>,
    scene: DebugScene,
    signing: Signing,
}

/// The page; `filled` is what was typed already, if anything was.
async fn page(
    app: &AppState,
    shell: Shell,
    seller: kernel::AccountId,
    ctx: &Ctx,
    setting: Setting,
    filled: Option<Filled>,
) -> ApiResult<DebugPage> {
    let (own, tries) = app
        .read(async move |tx| {
            let page = PageRequest { after: String::new(), limit: RECENT };
            Ok((addresses(tx, seller).await?, debugging::list(tx, seller, &page).await?.items))
        })
        .await?;
    let words = shell.t.clone();
    let live = || own.iter().filter(|address| address.retired_at.is_none());
    let chosen = own.iter().find(|address| Some(address.id) == setting.address).or_else(|| live().next());
    let scene = setting.scene;
    let prefilled = || {
        let given = scene.prefilled(instance_in(&tries, chosen.map(|address| address.id)).as_deref(), ctx.now);
        given.0.iter().fold(Filled::default(), |filled, (field, value)| filled.with(field.word(), value.as_str()))
    };
    let choice = |value: String, label: String, on: bool| Choice { value, label, on };
    let signing_choice =
        |one: &Signing| choice(one.word().to_owned(), words.s(&format!("page-sell-signing-{one}")), *one == setting.signing);
    Ok(DebugPage {
        addresses: live()
            .chain(chosen.filter(|address| address.retired_at.is_some()))
            .map(|address| choice(address.id.to_string(), address.name.clone(), Some(address.id) == chosen.map(|chosen| chosen.id)))
            .collect(),
        scenes: DebugScene::ALL.iter().map(|one| choice(one.word().to_owned(), scene_label(*one, &words), *one == scene)).collect(),
        signings: Signing::ALL.iter().map(signing_choice).collect(),
        address: chosen.map_or_else(String::new, |address| address.id.to_string()),
        url: chosen.map_or_else(String::new, |address| address.url.clone()),
        scene: scene.word().to_owned(),
        scene_what: words.s(&format!("page-sell-debug-what-{}", scene.word().replace('_', "-"))),
        signing: setting.signing.word(),
        fields: field_views(scene, &words),
        filled: filled.unwrap_or_else(prefilled),
        recent: tries.iter().map(|tried| try_row(tried, &own, ctx.now, &words)).collect(),
        may_send: chosen.is_some(),
        shell,
    })
}

/// The instance that the server named the last time it was asked to open one at this address.
fn instance_in(tries: &[Try], address: Option<AddressId>) -> Option<String> {
    let opened = |tried: &&Try| {
        tried.scene == DebugScene::Create
            && tried.verdict == DebugVerdict::Passed
            && tried.signing == Signing::Right
            && Some(tried.address_id) == address
    };
    let answer = tries.iter().find(opened)?.answer_body.as_deref()?;
    let answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    answer["instanceId"].as_str().map(str::to_owned)
}

pub(crate) async fn form(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Query(chosen): Query<Chosen>,
) -> ApiResult<Page<DebugPage>> {
    let seller = member.may.account();
    let (mut setting, mut filled) = (
        Setting {
            address: chosen.address.parse().ok(),
            scene: chosen.scene.parse().unwrap_or(DebugScene::Create),
            signing: chosen.signing.parse().unwrap_or(Signing::Right),
        },
        None,
    );
    if let Ok(id) = chosen.again.parse::<DebugTryId>() {
        let tried = app.read(async move |tx| debugging::get(tx, seller, id).await).await?;
        setting = Setting { address: Some(tried.address_id), scene: tried.scene, signing: tried.signing };
        // Every field is there, also one that was left empty.
        let empty = tried.scene.fields().iter().fold(Filled::default(), |filled, field| filled.with(field.word(), ""));
        filled = Some(tried.parameters.0.iter().fold(empty, |filled, (field, value)| filled.with(field.word(), value.as_str())));
    }
    Ok(Page(page(&app, member.shell, seller, &member.may.ctx, setting, filled).await?))
}

fn parameters(filled: &Filled) -> Parameters {
    let typed = DebugField::ALL.iter().map(|field| (*field, filled.value(field.word()).to_owned()));
    Parameters(typed.filter(|(_, value)| !value.is_empty()).collect())
}

pub(crate) async fn send(State(app): State<AppState>, member: Member<seller::Develop>, form: Form<Pairs>) -> ApiResult<Response> {
    let (seller, ctx) = (member.may.account(), member.may.ctx);
    let filled = Filled::of(form.fields);
    let setting = Setting {
        address: filled.value("address").parse().ok(),
        scene: filled.value("scene").parse().unwrap_or(DebugScene::Create),
        signing: filled.value("signing").parse().unwrap_or(Signing::Right),
    };
    let attempted = setting.address.map(|address| Attempted {
        address,
        scene: setting.scene,
        signing: setting.signing,
        parameters: parameters(&filled),
        case: None,
    });
    let Some(attempted) = attempted else { return Ok(go_to("/seller/debug").into_response()) };
    match debugging::run(app.market(), &ctx, seller, attempted).await.map_err(Into::into) {
        Ok(tried) => Ok(go_to(&format!("/seller/debug/tries/{}", tried.id)).into_response()),
        Err(error) => {
            let refusal = refused(error)?;
            let filled = filled.refused(&refusal, member.shell.t.locale);
            Ok(again(&refusal, page(&app, member.shell, seller, &ctx, setting, Some(filled)).await?))
        }
    }
}

/// Something that was found in an answer, in words.
struct FindingView {
    said: String,
    at: String,
    is_wrong: bool,
}

fn finding(finding: &Finding, words: &Words) -> FindingView {
    let key = format!("page-sell-finding-{}", finding.word.replace('_', "-"));
    // The seller's own code is told by the published table.
    let value = if finding.word == "answered" {
        texts::result_code(words.locale, &wire::koogallery_v2::ResultCode::parse(&finding.value))
    } else {
        finding.value.clone()
    };
    FindingView { said: words.with(&key, value), at: finding.at.clone(), is_wrong: finding.weight == Weight::Wrong }
}

#[derive(Template)]
#[template(path = "seller/try.html")]
pub(crate) struct TryPage {
    shell: Shell,
    id: String,
    row: TryRow,
    is_sending: bool,
    is_passed: bool,
    findings: Vec<FindingView>,
    url: String,
    request: String,
    status: String,
    answer_type: String,
    answer: String,
    curl: String,
    case: Option<(String, String)>,
    filled: Filled,
}

async fn try_page(app: &AppState, shell: Shell, seller: kernel::AccountId, now: i64, id: DebugTryId, filled: Filled) -> ApiResult<TryPage> {
    let (tried, own, case) = app
        .read(async move |tx| {
            let tried = debugging::get(tx, seller, id).await?;
            let case = match tried.case_id {
                // It may have been deleted meanwhile.
                Some(case) => debugging::get_case(tx, seller, case).await.ok(),
                None => None,
            };
            Ok((tried, addresses(tx, seller).await?, case))
        })
        .await?;
    let words = shell.t.clone();
    Ok(TryPage {
        id: id.to_string(),
        row: try_row(&tried, &own, now, &words),
        is_sending: tried.verdict == DebugVerdict::Sending,
        is_passed: tried.verdict == DebugVerdict::Passed,
        findings: tried.findings.iter().map(|one| finding(one, &words)).collect(),
        curl: curl(&tried.url, &tried.request_body),
        request: pretty(&tried.request_body),
        url: tried.url,
        status: tried.status.map_or_else(|| "—".to_owned(), |status| status.to_string()),
        answer_type: tried.answer_type.unwrap_or_default(),
        answer: tried.answer_body.as_deref().map_or_else(|| words.s("page-no-answer"), pretty),
        case: case.map(|case| (case.name, case.address_id.to_string())),
        filled,
        shell,
    })
}

pub(crate) async fn tried(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<DebugTryId>,
) -> ApiResult<Page<TryPage>> {
    let seller = member.may.account();
    let filled = Filled::default().with("name", "");
    Ok(Page(try_page(&app, member.shell, seller, member.may.ctx.now, id, filled).await?))
}

pub(crate) async fn save(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<DebugTryId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (seller, ctx) = (member.may.account(), member.may.ctx);
    let filled = Filled::of(form.fields);
    let (name, by) = (filled.value("name").to_owned(), ctx.at(ctx.now));
    match app.write(async move |tx| debugging::save_case(tx, &by, seller, id, &name).await).await {
        Ok(case) => Ok(go_to_done(&format!("/seller/debug/cases?address={}", case.address_id), "case-saved").into_response()),
        Err(error) => {
            let refusal = refused(error)?;
            let filled = match refusal.code {
                kernel::Code::CaseNameTaken => filled.wrong_at_field("name", crate::problem::sentence(&refusal, member.shell.t.locale)),
                _ => filled.refused(&refusal, member.shell.t.locale),
            };
            Ok(again(&refusal, try_page(&app, member.shell, seller, ctx.now, id, filled).await?))
        }
    }
}

#[derive(Template)]
#[template(path = "seller/tries.html")]
pub(crate) struct Tries {
    shell: Shell,
    rows: Vec<TryRow>,
    more: Option<String>,
}

pub(crate) async fn tries(State(app): State<AppState>, member: Member<seller::Develop>, Paging(page): Paging) -> ApiResult<Page<Tries>> {
    let seller = member.may.account();
    let (found, own) = app.read(async move |tx| Ok((debugging::list(tx, seller, &page).await?, addresses(tx, seller).await?))).await?;
    let words = member.shell.t.clone();
    let rows = found.items.iter().map(|tried| try_row(tried, &own, member.may.ctx.now, &words)).collect();
    Ok(Page(Tries { rows, more: more("/seller/debug/tries", found.next.as_deref()), shell: member.shell }))
}

struct CaseRow {
    id: String,
    name: String,
    scene: String,
    address: String,
    forged: bool,
    last: Stamp,
    last_href: String,
    chip: Chip,
}

/// Which test cases, and up to which of them a press of the button has come.
#[derive(Deserialize, Default)]
pub(crate) struct CaseFilter {
    #[serde(default)]
    address: String,
    #[serde(default)]
    ran: String,
}

#[derive(Template)]
#[template(path = "seller/cases.html")]
pub(crate) struct Cases {
    shell: Shell,
    addresses: Vec<Choice>,
    address: String,
    rows: Vec<CaseRow>,
    more: Option<String>,
    /// Where the next press of the button goes on; empty at the beginning.
    ran: String,
    at_once: i64,
}

pub(crate) async fn cases(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Query(filter): Query<CaseFilter>,
    Paging(page): Paging,
) -> ApiResult<Page<Cases>> {
    let (seller, now) = (member.may.account(), member.may.ctx.now);
    let address: Option<AddressId> = filter.address.parse().ok();
    let (found, own) =
        app.read(async move |tx| Ok((debugging::cases(tx, seller, address, &page).await?, addresses(tx, seller).await?))).await?;
    let words = member.shell.t.clone();
    let row = |case: &TestCase| CaseRow {
        id: case.id.to_string(),
        name: case.name.clone(),
        scene: scene_label(case.scene, &words),
        address: name_of(&own, case.address_id),
        forged: case.signing == Signing::Forged,
        last: words.stamp(case.last_at, now),
        last_href: case.last_try_id.map_or_else(String::new, |id| format!("/seller/debug/tries/{id}")),
        chip: verdict_chip(case.last_verdict, &words),
    };
    let choice = |one: &Address| Choice { value: one.id.to_string(), label: one.name.clone(), on: Some(one.id) == address };
    let chosen = address.map_or_else(String::new, |id| id.to_string());
    Ok(Page(Cases {
        addresses: std::iter::once(Choice::all(&words, address.is_none())).chain(own.iter().map(choice)).collect(),
        rows: found.items.iter().map(row).collect(),
        more: more_of("/seller/debug/cases", &[("address", &chosen)], found.next.as_deref()),
        ran: filter.ran.parse::<DebugCaseId>().map_or_else(|_| String::new(), |id| id.to_string()),
        address: chosen,
        at_once: RUN_AT_ONCE,
        shell: member.shell,
    }))
}

pub(crate) async fn run_case(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<DebugCaseId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let tried = debugging::run_case(app.market(), &member.may.ctx, member.may.account(), id).await?;
    Ok(go_to(&format!("/seller/debug/tries/{}", tried.id)).into_response())
}

pub(crate) async fn delete_case(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<DebugCaseId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let (seller, ctx) = (member.may.account(), member.may.ctx);
    app.write(async move |tx| debugging::delete_case(tx, &ctx, seller, id).await).await?;
    Ok(go_to_done("/seller/debug/cases", "case-deleted").into_response())
}

/// Runs the next few test cases at once; the button goes on from there.
pub(crate) async fn run_all(State(app): State<AppState>, member: Member<seller::Develop>, form: Form<CaseFilter>) -> ApiResult<Response> {
    let (seller, ctx) = (member.may.account(), member.may.ctx);
    let CaseFilter { address, ran } = form.fields;
    let (address, ran) = (address.parse::<AddressId>().ok(), ran.parse::<DebugCaseId>().ok());
    let page = PageRequest { after: ran.map_or_else(String::new, |id| id.to_string()), limit: RUN_AT_ONCE };
    let found = app.read(async move |tx| debugging::cases(tx, seller, address, &page).await).await?;
    let market = app.market();
    let mut runs = Vec::new();
    for case in &found.items {
        let (ctx, id) = (ctx.at(ctx.now), case.id);
        runs.push(async move { debugging::run_case(market, &ctx, seller, id).await });
    }
    let at_once = usize::try_from(RUN_AT_ONCE).unwrap_or(1);
    let outcomes: Vec<_> = stream::iter(runs).buffer_unordered(at_once).collect().await;
    for outcome in outcomes {
        outcome?;
    }
    let address = address.map_or_else(String::new, |id| id.to_string());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("address", &address);
    if let Some(next) = &found.next {
        query.append_pair("ran", next);
    }
    let way = format!("/seller/debug/cases?{}", query.finish());
    Ok(go_to_done(&way, if found.next.is_some() { "cases-go-on" } else { "cases-ran" }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Locale;

    #[test]
    fn every_scene_field_and_finding_has_its_words() {
        let judge = include_str!("../../../../market/src/debugging/judge.rs").split("#[cfg(test)]").next().unwrap_or_default();
        let answer = include_str!("../../../../wire/src/koogallery_v2/answer.rs");
        let quoted = |source: &str| -> Vec<String> {
            let texts = source.split('"').skip(1).step_by(2);
            texts
                .filter(|text| {
                    text.starts_with(|c: char| c.is_ascii_lowercase())
                        && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
                })
                .map(str::to_owned)
                .collect()
        };
        let words_of_failures = answer.split("pub fn word(&self)").nth(1).unwrap_or_default().split("pub fn").next().unwrap_or_default();
        let mut keys: Vec<String> = quoted(words_of_failures).iter().map(|word| format!("finding-{word}")).collect();
        let weights = ["wrong", "remark", "info"];
        keys.extend(quoted(judge).iter().filter(|word| !weights.contains(&word.as_str())).map(|word| format!("finding-{word}")));
        assert!(keys.len() > 30, "{keys:?}");
        keys.extend(DebugScene::ALL.iter().flat_map(|scene| [format!("debug-{scene}"), format!("debug-what-{scene}")]));
        keys.extend(DebugField::ALL.iter().map(|field| format!("debug-field-{field}")));
        keys.extend(Signing::ALL.iter().map(|signing| format!("signing-{signing}")));
        for key in keys.iter().map(|key| format!("page-sell-{}", key.replace('_', "-"))) {
            for locale in [Locale::En, Locale::ZhCn] {
                assert!(texts::is_there(locale, &key), "there is no {locale} text {key}");
            }
        }
    }
}
