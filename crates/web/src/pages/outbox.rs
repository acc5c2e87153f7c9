//! The outbox of a sandbox that sends no mail, for everybody.
//!
//! Whoever reads it can enter any account, by asking for a new password. So it is open only where three things are true: the market is a
//! sandbox, without money; it has no mail server, so nothing in it was meant to reach a real mailbox; and whoever runs it has opened it
//! (`open_outbox`), as `yunshi demo` does when it listens on this machine alone and prints everybody's password anyway. Everywhere else it is
//! not there, and the operator reads mails at `/operator/mail`.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use db::Tx;
use kernel::{Code, MailId, Refusal};
use market::Mode;
use market::mail::{self, Transport};

use super::Page;
use super::operator::mail::{Line, MailRow, lines, mail_row};
use super::parts::more;
use super::shell::{Reader, Shell};
use crate::AppState;
use crate::extract::{Paging, Segment};
use crate::problem::ApiResult;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/outbox", get(list)).route("/outbox/{id}", get(one))
}

/// Whether everybody may read the mails.
pub(super) fn is_open(app: &AppState) -> bool {
    let market = app.market();
    let keeps = market.mail().is_some_and(|post| matches!(post.transport, Transport::Outbox));
    keeps && market.mode() == Mode::Sandbox && app.settings().open_outbox
}

fn open(app: &AppState) -> Result<(), Refusal> {
    if is_open(app) { Ok(()) } else { Err(Refusal::new(Code::NotFound)) }
}

#[derive(Template)]
#[template(path = "outbox.html")]
struct Outbox {
    shell: Shell,
    rows: Vec<MailRow>,
    more: Option<String>,
}

async fn list(State(app): State<AppState>, reader: Reader, Paging(page): Paging) -> ApiResult<Page<Outbox>> {
    open(&app)?;
    let found = app.read(async move |tx| mail::list(tx, None, &page).await).await?;
    let rows = found.items.iter().map(|mail| mail_row(mail, "/outbox", Mode::Sandbox, reader.ctx.now, &reader.shell.t)).collect();
    Ok(Page(Outbox { rows, more: more("/outbox", found.next.as_deref()), shell: reader.shell }))
}

#[derive(Template)]
#[template(path = "outbox-mail.html")]
struct OutboxMail {
    shell: Shell,
    mail: MailRow,
    lines: Vec<Line>,
}

async fn one(State(app): State<AppState>, reader: Reader, Segment(id): Segment<MailId>) -> ApiResult<Page<OutboxMail>> {
    open(&app)?;
    let market = app.market().clone();
    let (mail, text) = app.read(async move |tx: &mut Tx| Ok((mail::get(tx, id).await?, mail::text_of(tx, &market, id).await?))).await?;
    let mail = mail_row(&mail, "/outbox", Mode::Sandbox, reader.ctx.now, &reader.shell.t);
    Ok(Page(OutboxMail { mail, lines: lines(&text.unwrap_or_default()), shell: reader.shell }))
}
