//! API tokens: for programs that act for somebody.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{DAY_MS, Refusal, TokenId};
use market::accounts::{self, NewToken, Permission, TokenView};

use crate::AppState;
use crate::extract::{Form, Paging, Segment};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::parts::{Chip, Choice, more};
use crate::pages::shell::{Person, Shell, Words};
use crate::pages::{Page, again, go_to_done};
use crate::problem::{ApiError, ApiResult};

struct Row {
    id: String,
    name: String,
    hint: String,
    scopes: String,
    ends: String,
    used: String,
    chip: Chip,
    is_live: bool,
}

#[derive(Template)]
#[template(path = "account/tokens.html")]
pub(crate) struct Tokens {
    shell: Shell,
    rows: Vec<Row>,
    more: Option<String>,
    filled: Filled,
    scopes: Vec<Choice>,
    /// A token that was just made: it is shown this once.
    made: Option<String>,
}

fn scope_name(words: &Words, scope: Permission) -> String {
    words.s(&format!("page-may-{}", scope.word().replace('.', "-")))
}

fn row(token: &TokenView, wall: i64, words: &Words) -> Row {
    let (key, tone) = match token.revoked_at {
        Some(_) => ("page-token-revoked", "idle"),
        None if token.expires_at <= wall => ("page-token-ended", "idle"),
        None => ("page-token-live", "ok"),
    };
    Row {
        id: token.id.to_string(),
        name: token.name.clone(),
        hint: token.hint.clone(),
        scopes: token.scopes.iter().map(|scope| scope_name(words, *scope)).collect::<Vec<_>>().join(" · "),
        ends: words.time(token.expires_at),
        used: token.used_at.map_or_else(|| words.s("page-never"), |at| words.time(at)),
        chip: Chip { word: words.s(key), tone },
        is_live: tone == "ok",
    }
}

async fn page(app: &AppState, person: Person, paging: Paging, filled: Filled, made: Option<String>) -> ApiResult<Tokens> {
    let (user, wall, page) = (person.principal.user, person.ctx.wall, paging.0);
    let found = app.read(async move |tx| accounts::tokens(tx, user, &page).await).await?;
    let words = person.shell.t.clone();
    let scope = |scope: &Permission| Choice { value: scope.word().to_owned(), label: scope_name(&words, *scope), on: false };
    Ok(Tokens {
        rows: found.items.iter().map(|token| row(token, wall, &words)).collect(),
        more: more("/account/tokens", found.next.as_deref()),
        scopes: person.principal.permissions.iter().map(scope).collect(),
        filled,
        made,
        shell: person.shell,
    })
}

pub(crate) async fn tokens(State(app): State<AppState>, person: Person, paging: Paging) -> ApiResult<Page<Tokens>> {
    Ok(Page(page(&app, person, paging, Filled::default().with("days", "90").with("name", ""), None).await?))
}

fn read(filled: &Filled, wall: i64) -> Result<NewToken, Refusal> {
    let scope = |word: &str| Permission::ALL.iter().copied().find(|scope| scope.word() == word);
    let scopes = filled.all("scopes").map(|word| scope(word).ok_or_else(|| Refusal::field("scopes", "wrong"))).collect::<Result<_, _>>()?;
    let days = filled.number("days")?;
    let expires_at = wall.saturating_add(days.saturating_mul(DAY_MS));
    Ok(NewToken { name: filled.value("name").to_owned(), scopes, expires_at })
}

pub(crate) async fn create(State(app): State<AppState>, person: Person, paging: Paging, form: Form<Pairs>) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    let (principal, ctx) = (person.principal.clone(), person.ctx.at(person.ctx.now));
    let made = match read(&filled, person.ctx.wall) {
        Ok(new) => app.write(async move |tx| accounts::create_token(tx, &ctx, &principal, new.clone()).await).await,
        Err(refusal) => Err(refusal.into()),
    };
    match made {
        // Shown in the answer itself: the token stands in no address and is kept nowhere.
        Ok((_, token)) => {
            let fresh = Filled::default().with("days", "90").with("name", "");
            Ok(Page(page(&app, person, paging, fresh, Some(token)).await?).into_response())
        }
        Err(ApiError::Refused(refusal)) => {
            // What the business calls the end is the number of days here.
            let named = if refusal.args.iter().any(|(name, value)| *name == "field" && value == "expires_at") { "days" } else { "" };
            let filled = match named {
                "days" => filled.wrong_at_field("days", crate::texts::rule(person.shell.t.locale, "range:1-365")),
                _ => filled.refused(&refusal, person.shell.t.locale),
            };
            Ok(again(&refusal, page(&app, person, paging, filled, None).await?))
        }
        Err(fault) => Err(fault),
    }
}

pub(crate) async fn revoke(State(app): State<AppState>, person: Person, Segment(id): Segment<TokenId>) -> ApiResult<Response> {
    let Person { principal, ctx, .. } = person;
    app.write(async move |tx| accounts::revoke_token(tx, &ctx, principal.user, id).await).await?;
    Ok(go_to_done("/account/tokens", "token-revoked").into_response())
}
