//! AK/SK: the pairs with which the account's servers sign calls to the open API.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{AccessKeyId, AccountId};
use market::accounts::{self, AccessKeyView};
use market::page::PageRequest;

use crate::AppState;
use crate::auth::seller;
use crate::extract::{Form, Paging, Segment};
use crate::pages::again;
use crate::pages::form::Filled;
use crate::pages::form::{NoFields, Pairs, refused};
use crate::pages::parts::{Chip, Stamp, more};
use crate::pages::shell::{Member, Shell};
use crate::pages::{Page, go_to_done};
use crate::problem::ApiResult;

struct KeyRow {
    id: String,
    name: String,
    access_key: String,
    made: Stamp,
    used: Option<Stamp>,
    is_live: bool,
    chip: Chip,
}

#[derive(Template)]
#[template(path = "seller/access-keys.html")]
pub(crate) struct AccessKeys {
    shell: Shell,
    rows: Vec<KeyRow>,
    more: Option<String>,
    filled: Filled,
    /// A pair that has just been made: its secret is shown this once.
    made: Option<(String, String)>,
}

async fn page(
    app: &AppState,
    shell: Shell,
    account: AccountId,
    wall: i64,
    page: PageRequest,
    filled: Filled,
    made: Option<(String, String)>,
) -> ApiResult<AccessKeys> {
    let found = app.read(async move |tx| accounts::access_keys(tx, account, &page).await).await?;
    let words = shell.t.clone();
    let row = |key: &AccessKeyView| KeyRow {
        id: key.id.to_string(),
        name: key.name.clone(),
        access_key: key.access_key.clone(),
        made: words.stamp(key.created_at, wall),
        used: key.used_at.map(|at| words.stamp(at, wall)),
        is_live: key.revoked_at.is_none(),
        chip: if key.revoked_at.is_none() {
            Chip { word: words.s("page-sell-live"), tone: "ok" }
        } else {
            Chip { word: words.s("page-sell-revoked"), tone: "idle" }
        },
    };
    Ok(AccessKeys { rows: found.items.iter().map(row).collect(), more: more("/seller/keys", found.next.as_deref()), filled, made, shell })
}

pub(crate) async fn list(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Paging(asked): Paging,
) -> ApiResult<Page<AccessKeys>> {
    let account = member.may.account();
    Ok(Page(page(&app, member.shell, account, member.may.ctx.wall, asked, Filled::default().with("name", ""), None).await?))
}

pub(crate) async fn create(State(app): State<AppState>, member: Member<seller::Develop>, form: Form<Pairs>) -> ApiResult<Response> {
    let (account, user, ctx, market) =
        (member.may.account(), member.may.principal.user, member.may.ctx.at(member.may.ctx.now), app.market().clone());
    let filled = Filled::of(form.fields);
    let name = filled.value("name").to_owned();
    let create = async move |tx: &mut db::Tx| accounts::create_access_key(tx, &ctx, market.vault(), account, user, &name).await;
    match app.write(create).await {
        Ok((key, secret)) => {
            let made = Some((key.access_key, secret));
            let empty = Filled::default().with("name", "");
            Ok(Page(page(&app, member.shell, account, member.may.ctx.wall, PageRequest::default(), empty, made).await?).into_response())
        }
        Err(error) => {
            let refusal = refused(error)?;
            let filled = filled.refused(&refusal, member.shell.t.locale);
            Ok(again(&refusal, page(&app, member.shell, account, member.may.ctx.wall, PageRequest::default(), filled, None).await?))
        }
    }
}

pub(crate) async fn revoke(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<AccessKeyId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let (account, ctx) = (member.may.account(), member.may.ctx);
    app.write(async move |tx| accounts::revoke_access_key(tx, &ctx, account, id).await).await?;
    Ok(go_to_done("/seller/keys", "access-key-revoked").into_response())
}
