//! The mails of the market: whether they arrive; in a sandbox also what they say.

use askama::Template;
use axum::extract::State;
use db::Tx;
use kernel::MailId;
use market::Mode;
use market::mail::{self, Mail, MailState, Transport};
use serde::Deserialize;
use url::Url;

use crate::AppState;
use crate::auth::operator;
use crate::extract::{Paging, Query, Segment};
use crate::pages::Page;
use crate::pages::parts::{Chip, Choice, Stamp, more_of};
use crate::pages::shell::{Member, Shell, Words};
use crate::problem::ApiResult;

/// A mail in a list.
pub(crate) struct MailRow {
    pub(crate) href: String,
    /// What it says in its first line; in production what it is about, for a subject may name things of its reader.
    pub(crate) subject: String,
    pub(crate) recipient: String,
    pub(crate) written: Stamp,
    pub(crate) chip: Chip,
    pub(crate) attempts: String,
    pub(crate) error: String,
}

fn tone(state: MailState) -> &'static str {
    match state {
        MailState::Queued => "wait",
        MailState::Sent => "ok",
        MailState::Failed => "bad",
        MailState::Kept => "idle",
    }
}

fn state_word(state: MailState, words: &Words) -> String {
    words.s(&format!("page-mail-state-{}", state.word()))
}

/// A mail as it is shown under `place`: of production without who it is for and what it says.
pub(crate) fn mail_row(mail: &Mail, place: &str, mode: Mode, now: i64, words: &Words) -> MailRow {
    let (subject, recipient) = match mode {
        Mode::Sandbox => (mail.subject.clone(), mail.recipient.clone()),
        Mode::Production => (words.s(&format!("page-mail-kind-{}", mail.kind.word())), mail::masked(&mail.recipient)),
    };
    MailRow {
        href: format!("{place}/{}", mail.id),
        subject,
        recipient,
        written: words.stamp(mail.created_at, now),
        chip: Chip { word: state_word(mail.state, words), tone: tone(mail.state) },
        attempts: mail.attempts.to_string(),
        error: mail.last_error.clone().unwrap_or_default(),
    }
}

/// A line of what a mail says, and where it leads when it is a link.
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) href: Option<String>,
}

/// The lines of a mail. A line that is a link leads to that path of ours, whatever name of the marketplace it was written with.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let href = |line: &str| {
        let url = Url::parse(line).ok().filter(|url| matches!(url.scheme(), "http" | "https") && !line.contains(' '))?;
        let tail = url.query().map_or_else(String::new, |query| format!("?{query}"));
        // A path of two slashes would be another site.
        Some(format!("/{}{tail}", url.path().trim_start_matches('/')))
    };
    text.lines().map(|line| Line { text: line.to_owned(), href: href(line) }).collect()
}

#[derive(Template)]
#[template(path = "operator/mails.html")]
pub(crate) struct Mails {
    shell: Shell,
    states: Vec<Choice>,
    is_filtered: bool,
    /// How mail is sent here.
    how: String,
    rows: Vec<MailRow>,
    more: Option<String>,
}

/// Which mails are wanted.
#[derive(Deserialize, Default)]
pub(crate) struct Filter {
    #[serde(default)]
    state: String,
}

pub(crate) async fn mails(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Query(filter): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Mails>> {
    let wanted = MailState::ALL.iter().copied().find(|state| state.word() == filter.state);
    let found = app.read(async move |tx| mail::list(tx, wanted, &page).await).await?;
    let (words, now, market) = (&member.shell.t, member.may.ctx.now, app.market());
    let one = |state: &MailState| Choice { value: state.word().to_owned(), label: state_word(*state, words), on: wanted == Some(*state) };
    let states = std::iter::once(Choice::all(words, wanted.is_none())).chain(MailState::ALL.iter().map(one)).collect();
    let how = match market.mail().map(|post| &post.transport) {
        Some(Transport::Server(_)) => words.s("page-mail-how-server"),
        Some(Transport::Outbox) => words.s("page-mail-how-outbox"),
        None => words.s("page-mail-how-none"),
    };
    let rows = found.items.iter().map(|mail| mail_row(mail, "/operator/mail", market.mode(), now, words)).collect();
    let more = more_of("/operator/mail", &[("state", wanted.map_or("", MailState::word))], found.next.as_deref());
    Ok(Page(Mails { states, is_filtered: wanted.is_some(), how, rows, more, shell: member.shell }))
}

#[derive(Template)]
#[template(path = "operator/mail.html")]
pub(crate) struct MailPage {
    shell: Shell,
    mail: MailRow,
    account: String,
    sent: Option<Stamp>,
    /// None where it may not be read, or is gone.
    lines: Option<Vec<Line>>,
}

pub(crate) async fn one(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(id): Segment<MailId>,
) -> ApiResult<Page<MailPage>> {
    let market = app.market().clone();
    let (mail, text) = app.read(async move |tx: &mut Tx| Ok((mail::get(tx, id).await?, mail::text_of(tx, &market, id).await?))).await?;
    let (words, now) = (&member.shell.t, member.may.ctx.now);
    Ok(Page(MailPage {
        account: mail.account_id.to_string(),
        sent: mail.sent_at.map(|at| words.stamp(at, now)),
        lines: text.map(|text| lines(&text)),
        mail: mail_row(&mail, "/operator/mail", app.market().mode(), now, words),
        shell: member.shell,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_a_mail_leads_to_a_path_of_ours() {
        let hrefs: Vec<Option<String>> = lines(
            "hello\nhttps://market.example/password/reset?token=x\nhttps://evil.example//other.example/\njavascript:alert(1)\nsee https://a.b/",
        )
        .into_iter()
        .map(|line| line.href)
        .collect();
        let expected = [None, Some("/password/reset?token=x"), Some("/other.example/"), None, None];
        assert_eq!(hrefs, expected.map(|href| href.map(str::to_owned)));
    }
}
