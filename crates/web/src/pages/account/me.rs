//! Oneself: details, password, and where one is signed in.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use kernel::{Code, Locale, SessionId};
use market::accounts::{self, NoticesByMail, SessionView, User, UserDetails};
use market::page::{PAGE_MAX, PageRequest};

use super::super::form::Filled;
use super::super::parts::{Choice, Stamp};
use super::super::shell::{Person, Shell, Words};
use super::super::{Page, again, go_to_done};
use crate::AppState;
use crate::extract::{Form, Segment};
use crate::pages::form::Pairs;
use crate::problem::{ApiError, ApiResult};

/// Where somebody is signed in.
struct SessionRow {
    id: String,
    client: String,
    began: Stamp,
    seen: Stamp,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "account/me.html")]
pub(crate) struct Me {
    shell: Shell,
    login: String,
    account: String,
    account_id: String,
    roles: Vec<String>,
    details: Filled,
    password: Filled,
    languages: Vec<Choice>,
    sessions: Vec<SessionRow>,
    by_mail: Filled,
    /// Whether this marketplace sends mail at all.
    sends: bool,
}

pub(super) fn languages(chosen: &str) -> Vec<Choice> {
    let names = [(Locale::ZhCn, "中文"), (Locale::En, "English")];
    names
        .iter()
        .map(|(locale, name)| Choice { value: locale.word().to_owned(), label: (*name).to_owned(), on: locale.word() == chosen })
        .collect()
}

/// A role as people say it.
pub(super) fn role_name(words: &Words, role: accounts::Role) -> String {
    words.s(&format!("page-role-{}", role.word().replace('.', "-")))
}

/// What stands in the form of somebody's details.
pub(super) fn details_of(user: &User) -> Filled {
    Filled::default()
        .with("user_name", &*user.name)
        .with("email", &*user.email)
        .with("phone", &*user.phone)
        .with("locale", user.locale.word())
        .with("version", user.version.to_string())
}

/// The details that somebody has filled in, and the version that they had read.
pub(super) fn read_details(filled: &Filled) -> Result<(UserDetails, Option<i64>), kernel::Refusal> {
    let locale = Locale::ALL.iter().copied().find(|locale| locale.word() == filled.value("locale"));
    let details = UserDetails {
        name: filled.value("user_name").to_owned(),
        email: filled.value("email").to_owned(),
        phone: filled.value("phone").to_owned(),
        locale: locale.ok_or_else(|| kernel::Refusal::field("locale", "wrong"))?,
    };
    Ok((details, Some(filled.number("version")?)))
}

fn session_row(session: &SessionView, mine: Option<SessionId>, wall: i64, words: &Words) -> SessionRow {
    SessionRow {
        id: session.id.to_string(),
        client: client_name(&session.client, words),
        began: words.stamp(session.created_at, wall),
        seen: words.stamp(session.seen_at, wall),
        is_this: mine == Some(session.id),
    }
}

/// The browser and the system in what a client calls itself, as people know them; the whole of it for what is no browser.
fn client_name(client: &str, words: &Words) -> String {
    let first = |names: &[(&'static str, &'static str)]| names.iter().find(|(mark, _)| client.contains(mark)).map(|(_, name)| *name);
    // Each browser names those that it is like, so the order matters.
    let browser =
        first(&[("Edg/", "Edge"), ("MicroMessenger/", "WeChat"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")]);
    let system = first(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} · {system}"),
        (Some(one), None) => one.to_owned(),
        _ if client.is_empty() => words.s("page-client-unknown"),
        _ => client.chars().take(60).collect(),
    }
}

async fn page(app: &AppState, person: Person, details: Option<Filled>, password: Filled) -> ApiResult<Me> {
    let (principal, wall) = (person.principal.clone(), person.ctx.wall);
    let look = async move |tx: &mut Tx| {
        let user = accounts::get_user(tx, principal.account, principal.user).await?;
        let account = accounts::get(tx, principal.account).await?;
        let all = PageRequest { limit: PAGE_MAX, ..PageRequest::default() };
        let by_mail = accounts::notices_by_mail(tx, principal.account, principal.user).await?;
        Ok((user, account, accounts::sessions(tx, principal.user, wall, &all).await?.items, by_mail))
    };
    let (user, account, sessions, by_mail) = app.read(look).await?;
    let words = person.shell.t.clone();
    let details = details.unwrap_or_else(|| details_of(&user));
    Ok(Me {
        login: user.login.clone(),
        account: account.name,
        account_id: account.id.to_string(),
        roles: user.roles.iter().map(|role| role_name(&words, *role)).collect(),
        languages: languages(details.value("locale")),
        details,
        password,
        by_mail: Filled::default().with("notices", by_mail.word()),
        sends: app.market().mail().is_some(),
        sessions: sessions.iter().map(|session| session_row(session, person.principal.session, wall, &words)).collect(),
        shell: person.shell,
    })
}

pub(crate) async fn me(State(app): State<AppState>, person: Person) -> ApiResult<Page<Me>> {
    Ok(Page(page(&app, person, None, Filled::default()).await?))
}

pub(crate) async fn save(State(app): State<AppState>, person: Person, form: Form<Pairs>) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    let (principal, ctx) = (person.principal.clone(), person.ctx.at(person.ctx.now));
    let saved = match read_details(&filled) {
        Ok((details, version)) => {
            let save =
                async move |tx: &mut Tx| accounts::update_user(tx, &ctx, principal.account, principal.user, details.clone(), version).await;
            app.write(save).await.map(drop)
        }
        Err(refusal) => Err(refusal.into()),
    };
    match saved {
        Ok(()) => Ok(go_to_done("/account", "saved").into_response()),
        Err(ApiError::Refused(refusal)) => {
            let filled = filled.refused(&refusal, person.shell.t.locale);
            Ok(again(&refusal, page(&app, person, Some(filled), Filled::default()).await?))
        }
        Err(fault) => Err(fault),
    }
}

pub(crate) async fn change_password(State(app): State<AppState>, person: Person, form: Form<Pairs>) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    let (old, new) = (filled.value("old_password"), filled.value("new_password"));
    match accounts::change_password(app.market(), &person.ctx, &person.principal, old, new).await.map_err(ApiError::from) {
        Ok(()) => Ok(go_to_done("/account", "password").into_response()),
        Err(ApiError::Refused(refusal)) => {
            let places = [(Code::PasswordWeak, "new_password"), (Code::SignInLocked, "old_password")];
            let filled = filled.refused_beside(&refusal, person.shell.t.locale, &places);
            Ok(again(&refusal, page(&app, person, None, filled).await?))
        }
        Err(fault) => Err(fault),
    }
}

/// Whether one gets messages by mail, too.
pub(crate) async fn choose_mail(State(app): State<AppState>, person: Person, form: Form<Pairs>) -> ApiResult<Response> {
    let wants = Filled::of(form.fields).is_on("notices", NoticesByMail::On.word());
    let choice = if wants { NoticesByMail::On } else { NoticesByMail::Off };
    let Person { principal, ctx, .. } = person;
    app.write(async move |tx| accounts::set_notices_by_mail(tx, &ctx, principal.account, principal.user, choice).await).await?;
    Ok(go_to_done("/account", "saved").into_response())
}

pub(crate) async fn end_session(State(app): State<AppState>, person: Person, Segment(id): Segment<SessionId>) -> ApiResult<Response> {
    let Person { principal, ctx, .. } = person;
    app.write(async move |tx| accounts::end_session(tx, &ctx, principal.user, id).await).await?;
    Ok(go_to_done("/account", "session-ended").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_by_its_name() {
        let words = Words::of(Locale::En);
        for (client, name) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0", "Edge · Windows"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17 Safari/605.1.15", "Safari · macOS"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox · Linux"),
            ("yunshi/0.1", "yunshi/0.1"),
        ] {
            assert_eq!(client_name(client, &words), name);
        }
    }
}
