//! The people of the account, and what each may do.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use kernel::{AccountId, Code, Ctx, Refusal, UserId};
use market::accounts::{self, NewUser, Role, User};

use super::me::{details_of, languages, read_details, role_name};
use crate::AppState;
use crate::acts;
use crate::auth::people;
use crate::extract::{Form, Paging, Segment};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::parts::{Chip, Choice, more};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::{Page, again, go_to_done};
use crate::problem::{ApiError, ApiResult};

struct Row {
    href: String,
    name: String,
    login: String,
    email: String,
    roles: String,
    chip: Chip,
}

fn chip(user: &User, wall: i64, words: &Words) -> Chip {
    let (key, tone) = match user.disabled_at {
        Some(_) => ("page-member-disabled", "idle"),
        None if user.locked_until > wall => ("page-member-locked", "warn"),
        None => ("page-member-active", "ok"),
    };
    Chip { word: words.s(key), tone }
}

#[derive(Template)]
#[template(path = "account/members.html")]
pub(crate) struct Members {
    shell: Shell,
    rows: Vec<Row>,
    more: Option<String>,
}

pub(crate) async fn members(State(app): State<AppState>, member: Member<people::Manage>, Paging(page): Paging) -> ApiResult<Page<Members>> {
    let account = member.may.account();
    let found = app.read(async move |tx| accounts::users(tx, account, &page).await).await?;
    let (words, wall) = (member.shell.t.clone(), member.may.ctx.wall);
    let row = |user: &User| Row {
        href: format!("/account/members/{}", user.id),
        name: user.name.clone(),
        login: user.login.clone(),
        email: user.email.clone(),
        roles: user.roles.iter().map(|role| role_name(&words, *role)).collect::<Vec<_>>().join(" · "),
        chip: chip(user, wall, &words),
    };
    let rows = found.items.iter().map(row).collect();
    Ok(Page(Members { rows, more: more("/account/members", found.next.as_deref()), shell: member.shell }))
}

/// The roles that the account's people may have, ticked as the form says.
fn roles_of(member: &Member<people::Manage>) -> Vec<Choice> {
    let sides = &member.may.principal.sides;
    let words = &member.shell.t;
    let roles = Role::ALL.iter().filter(|role| sides.contains(&role.audience()));
    roles.map(|role| Choice { value: role.word().to_owned(), label: role_name(words, *role), on: false }).collect()
}

/// The roles that are ticked.
fn read_roles(filled: &Filled) -> Result<Vec<Role>, Refusal> {
    let role = |word: &str| Role::ALL.iter().copied().find(|role| role.word() == word);
    filled.all("roles").map(|word| role(word).ok_or_else(|| Refusal::field("roles", "wrong"))).collect()
}

#[derive(Template)]
#[template(path = "account/member-new.html")]
pub(crate) struct NewMember {
    shell: Shell,
    filled: Filled,
    roles: Vec<Choice>,
    languages: Vec<Choice>,
}

fn new_page(member: Member<people::Manage>, filled: Filled) -> NewMember {
    let languages = languages(filled.value("locale"));
    NewMember { roles: roles_of(&member), languages, filled, shell: member.shell }
}

pub(crate) async fn new(member: Member<people::Manage>) -> Page<NewMember> {
    let filled = Filled::default().with("locale", member.shell.t.locale.word());
    Page(new_page(member, filled))
}

/// Where the codes of a new person belong.
const NEW_PLACES: [(Code, &str); 2] = [(Code::LoginTaken, "login"), (Code::PasswordWeak, "password")];

pub(crate) async fn add(State(app): State<AppState>, member: Member<people::Manage>, form: Form<Pairs>) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    match make(&app, &member, &filled).await {
        Ok(user) => Ok(go_to_done(&format!("/account/members/{}", user.id), "member-added").into_response()),
        Err(ApiError::Refused(refusal)) => {
            let filled = filled.refused_beside(&refusal, member.shell.t.locale, &NEW_PLACES);
            Ok(again(&refusal, new_page(member, filled)))
        }
        Err(fault) => Err(fault),
    }
}

async fn make(app: &AppState, member: &Member<people::Manage>, filled: &Filled) -> ApiResult<User> {
    let (account, ctx, market) = (member.may.account(), member.may.ctx.at(member.may.ctx.now), app.market().clone());
    let roles = read_roles(filled)?;
    member.may.principal.require_grant(&[], &roles)?;
    let (details, _) = read_details(&filled.clone().with("version", "1"))?;
    let login = filled.value("login").to_owned();
    let password = accounts::hash(filled.value("password"), &login, &ctx.entropy).await?;
    let new = NewUser { login, name: details.name, email: details.email, phone: details.phone, locale: details.locale, password };
    app.write(async move |tx| accounts::add_user(tx, &ctx, market.edition(), account, new.clone(), &roles).await).await
}

#[derive(Template)]
#[template(path = "account/member.html")]
pub(crate) struct MemberPage {
    shell: Shell,
    id: String,
    name: String,
    login: String,
    chip: Chip,
    is_disabled: bool,
    is_me: bool,
    details: Filled,
    roles_filled: Filled,
    password: Filled,
    roles: Vec<Choice>,
    languages: Vec<Choice>,
}

/// Which of the forms on somebody's page comes back.
enum Back {
    None,
    Details(Filled),
    Roles(Filled),
    Password(Filled),
}

async fn page(app: &AppState, member: Member<people::Manage>, id: UserId, back: Back) -> ApiResult<MemberPage> {
    let account = member.may.account();
    let user = app.read(async move |tx| accounts::get_user(tx, account, id).await).await?;
    let details = details_of(&user);
    let mut roles_filled = Filled::of(user.roles.iter().map(|role| ("roles".to_owned(), role.word().to_owned())).collect());
    roles_filled = roles_filled.with("version", user.version.to_string());
    let (details, roles_filled, password) = match back {
        Back::None => (details, roles_filled, Filled::default()),
        Back::Details(details) => (details, roles_filled, Filled::default()),
        Back::Roles(roles) => (details, roles, Filled::default()),
        Back::Password(password) => (details, roles_filled, password),
    };
    Ok(MemberPage {
        id: user.id.to_string(),
        name: user.name.clone(),
        login: user.login.clone(),
        chip: chip(&user, member.may.ctx.wall, &member.shell.t),
        is_disabled: user.disabled_at.is_some(),
        is_me: user.id == member.may.principal.user,
        languages: languages(details.value("locale")),
        roles: roles_of(&member),
        details,
        roles_filled,
        password,
        shell: member.shell,
    })
}

pub(crate) async fn member(
    State(app): State<AppState>,
    member: Member<people::Manage>,
    Segment(id): Segment<UserId>,
) -> ApiResult<Page<MemberPage>> {
    Ok(Page(page(&app, member, id, Back::None).await?))
}

fn to_member(id: UserId, done: &str) -> Response {
    go_to_done(&format!("/account/members/{id}"), done).into_response()
}

/// Does `act` to a person, as [`acts::manage`].
async fn act<T: Send + 'static>(
    app: &AppState,
    member: &Member<people::Manage>,
    id: UserId,
    act: impl AsyncFn(&mut Tx, &Ctx, AccountId) -> db::Result<T> + Send + 'static,
) -> ApiResult<T> {
    acts::manage(app, member.may.principal.clone(), member.may.ctx.at(member.may.ctx.now), id, act).await
}

/// What comes after a form of somebody's page: the page, or the form again with what is wrong in it.
async fn after(
    app: &AppState,
    member: Member<people::Manage>,
    id: UserId,
    outcome: ApiResult<()>,
    (done, filled, back): (&str, Filled, fn(Filled) -> Back),
) -> ApiResult<Response> {
    match outcome {
        Ok(()) => Ok(to_member(id, done)),
        // Whoever is not there has no form.
        Err(ApiError::Refused(refusal)) if refusal.code != Code::NotFound => {
            let filled = filled.refused_beside(&refusal, member.shell.t.locale, &[(Code::PasswordWeak, "new_password")]);
            Ok(again(&refusal, page(app, member, id, back(filled)).await?))
        }
        Err(other) => Err(other),
    }
}

pub(crate) async fn save(
    State(app): State<AppState>,
    member: Member<people::Manage>,
    Segment(id): Segment<UserId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    let saved = match read_details(&filled) {
        Ok((details, version)) => {
            let change =
                async move |tx: &mut Tx, ctx: &Ctx, account| accounts::update_user(tx, ctx, account, id, details.clone(), version).await;
            act(&app, &member, id, change).await.map(drop)
        }
        Err(refusal) => Err(refusal.into()),
    };
    after(&app, member, id, saved, ("saved", filled, Back::Details)).await
}

pub(crate) async fn set_roles(
    State(app): State<AppState>,
    member: Member<people::Manage>,
    Segment(id): Segment<UserId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    let (principal, ctx) = (member.may.principal.clone(), member.may.ctx.at(member.may.ctx.now));
    let set = match (read_roles(&filled), filled.number("version")) {
        (Ok(roles), Ok(version)) => {
            let change = async move |tx: &mut Tx| {
                let before = accounts::get_user(tx, principal.account, id).await?;
                principal.require_grant(&before.roles, &roles)?;
                accounts::set_roles(tx, &ctx, principal.account, id, &roles, Some(version)).await
            };
            app.write(change).await.map(drop)
        }
        (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
    };
    after(&app, member, id, set, ("saved", filled, Back::Roles)).await
}

pub(crate) async fn set_password(
    State(app): State<AppState>,
    member: Member<people::Manage>,
    Segment(id): Segment<UserId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (filled, account) = (Filled::of(form.fields), member.may.account());
    let login = app.read(async move |tx| accounts::get_user(tx, account, id).await).await?.login;
    let hashed = accounts::hash(filled.value("new_password"), &login, &member.may.ctx.entropy).await.map_err(ApiError::from);
    let set = match hashed {
        Ok(password) => {
            let change = async move |tx: &mut Tx, ctx: &Ctx, account| accounts::reset_password(tx, ctx, account, id, &password).await;
            act(&app, &member, id, change).await
        }
        Err(refused) => Err(refused),
    };
    after(&app, member, id, set, ("password", filled, Back::Password)).await
}

pub(crate) async fn disable(
    State(app): State<AppState>,
    member: Member<people::Manage>,
    Segment(id): Segment<UserId>,
) -> ApiResult<Response> {
    act(&app, &member, id, async move |tx: &mut Tx, ctx: &Ctx, account| accounts::disable(tx, ctx, account, id).await).await?;
    Ok(to_member(id, "saved"))
}

pub(crate) async fn enable(
    State(app): State<AppState>,
    member: Member<people::Manage>,
    Segment(id): Segment<UserId>,
) -> ApiResult<Response> {
    act(&app, &member, id, async move |tx: &mut Tx, ctx: &Ctx, account| accounts::enable(tx, ctx, account, id).await).await?;
    Ok(to_member(id, "saved"))
}
