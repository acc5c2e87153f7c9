//! Mail to people: a forgotten password, the inbox in the mailbox, a mail server with its moods, and who may read what.

use std::time::Duration;

use kernel::{AccountId, Locale, MINUTE_MS};
use market::accounts::Role;
use market::mail::{self, Mail, MailKind, MailState, Transport};
use market::notices::{self, NoticeKind};
use market::page::PageRequest;
use market::runner::{self, RunnerSettings, To};
use market::{Market, Mode};
use outbound::mail::{MailSettings, Mailer};
use reqwest::StatusCode;
use serde_json::json;
use testkit::smtp::{MailServer, Turn};
use web::Settings;

use crate::browser::{Browser, Seen};
use crate::people::{self, PASSWORD};
use crate::support::TestApp;

const NEW_PASSWORD: &str = "a-third-long-phrase";

async fn mails(market: &Market) -> Vec<Mail> {
    market.db().read(async |tx| mail::list(tx, None, &PageRequest::default()).await).await.unwrap().items
}

/// What the newest mail says, as its sandbox shows it.
async fn newest(market: &Market) -> String {
    let (id, again) = (mails(market).await[0].id, market.clone());
    market.db().read(async move |tx| mail::text_of(tx, &again, id).await).await.unwrap().unwrap()
}

/// The path of the link in a mail.
fn link(text: &str) -> String {
    let line = text.lines().find(|line| line.contains("/password/reset")).unwrap_or_else(|| panic!("no link in {text}"));
    line.strip_prefix("https://market.example").unwrap().to_owned()
}

fn token(path: &str) -> &str {
    path.split_once("token=").unwrap().1
}

async fn tamper(market: &Market, text: &'static str) {
    market.db().write(async move |tx| tx.run_text(text).await).await.unwrap();
}

async fn pass(market: &Market, ms: i64) {
    let now = people::ctx(market).await.now;
    runner::advance(market, To::Moment(now + ms), |_| {}).await.unwrap();
}

async fn ask(browser: &mut Browser<'_>, whom: &str) -> Seen {
    browser.post("/password/forgot", &[("whom", whom)]).await
}

/// A market that sends its mails through this server.
async fn through(settings: &MailSettings) -> TestApp {
    TestApp::of(TestApp::patient(), Mode::Sandbox, Some(Transport::Server(Mailer::new(settings).unwrap()))).await
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_a_link_that_works_once() {
    let app = TestApp::new().await;
    people::buyer(&app.market, "li.wei").await;
    let mut elsewhere = Browser::new(&app, "en");
    elsewhere.sign_in("li.wei").await;
    let mut browser = Browser::new(&app, "en");
    browser.open("/sign-in").await.says("href=\"/password/forgot\"");
    browser.open("/password/forgot").await.says("name=\"whom\"");
    let empty = ask(&mut browser, " ").await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    empty.says("aria-invalid=\"true\"");
    let asked = ask(&mut browser, "LI.WEI").await;
    assert_eq!(asked.goes_to(), "/password/forgot?done=reset-asked");
    browser.open(asked.goes_to()).await.says("works for one hour");

    let path = link(&newest(&app.market).await);
    let form = browser.open(&path).await;
    form.says("value=\"li.wei\"");
    assert_eq!(form.headers["referrer-policy"], "no-referrer");
    let weak = browser.post("/password/reset", &[("token", token(&path)), ("new_password", "short")]).await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    let beside = weak.html.split("id=\"new_password-wrong\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(beside.contains("role=\"alert\""), "{beside}");
    assert!(!weak.html.contains("short"), "a password is typed again");
    let set = browser.post("/password/reset", &[("token", token(&path)), ("new_password", NEW_PASSWORD)]).await;
    assert_eq!(set.goes_to(), "/sign-in?done=password-reset");
    browser.open(set.goes_to()).await.says("Sign in with the new one");

    // It is theirs again, nobody else is signed in any more, and a mail says so.
    assert!(elsewhere.open("/account").await.goes_to().starts_with("/sign-in"));
    let old = browser.post("/sign-in", &[("login", "li.wei"), ("password", PASSWORD)]).await;
    assert_eq!(old.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.post("/sign-in", &[("login", "li.wei"), ("password", NEW_PASSWORD)]).await.goes_to(), "/");
    assert!(newest(&app.market).await.contains("the password for the sign-in name li.wei was changed"));
    // Used, wrong and missing links are all as dead.
    for dead in [path.clone(), "/password/reset?token=ysr_x".to_owned(), "/password/reset".to_owned()] {
        let page = browser.open(&dead).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.says("href=\"/password/forgot\"");
        assert!(!page.html.contains("name=\"new_password\""));
    }
    let again = browser.post("/password/reset", &[("token", token(&path)), ("new_password", "another-long-phrase")]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    app.finish().await;
}

#[tokio::test]
async fn whoever_asks_learns_nothing_and_gets_only_so_many_links() {
    let app = TestApp::new().await;
    let li = people::buyer(&app.market, "li.wei").await;
    let gone = people::colleague(&app.market, &li, "gone", &[Role::BuyerViewer]).await;
    let (ctx, account, user) = (people::ctx(&app.market).await, li.account.id, gone.user.id);
    app.market.db().write(async move |tx| market::accounts::disable(tx, &ctx, account, user).await).await.unwrap();
    let mut browser = Browser::new(&app, "zh-CN");
    let mut answers = Vec::new();
    for whom in ["li.wei", "nobody", "gone", "gone@example.com", "nobody@example.com", "not a name at all", "LI.wei@EXAMPLE.com"] {
        let answer = ask(&mut browser, whom).await;
        let path = answer.goes_to().to_owned();
        answers.push((path.clone(), browser.open(&path).await.html));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    assert!(answers[0].1.contains("一小时内有效"), "{}", answers[0].1);
    assert_eq!(mails(&app.market).await.len(), 2, "by name and by address");
    for _ in 0..3 {
        ask(&mut browser, "li.wei").await.goes_to();
    }
    assert_eq!(mails(&app.market).await.len(), 3, "three in an hour");
    // Each of the three links works until one is used; then none does.
    let path = link(&newest(&app.market).await);
    let set = browser.post("/password/reset", &[("token", token(&path)), ("new_password", NEW_PASSWORD)]).await;
    set.goes_to();
    let (id, again) = (mails(&app.market).await.last().unwrap().id, app.market.clone());
    let first = app.market.db().read(async move |tx| mail::text_of(tx, &again, id).await).await.unwrap().unwrap();
    assert_eq!(browser.open(&link(&first)).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    app.finish().await;
}

#[tokio::test]
async fn a_client_that_asks_too_often_must_wait() {
    let app = TestApp::with(Settings { sign_ins_per_minute: std::num::NonZeroU32::new(2).unwrap(), ..TestApp::patient() }).await;
    let mut browser = Browser::new(&app, "en");
    for _ in 0..2 {
        ask(&mut browser, "li.wei").await.goes_to();
    }
    assert_eq!(ask(&mut browser, "li.wei").await.status, StatusCode::TOO_MANY_REQUESTS);
    let other_site = browser.post_from("cross-site", "/password/forgot", &[("whom", "li.wei")]).await;
    assert_ne!(other_site.status, StatusCode::SEE_OTHER);
    app.finish().await;
}

#[tokio::test]
async fn a_link_ends_after_an_hour_and_with_its_person() {
    let app = TestApp::new().await;
    people::buyer(&app.market, "li.wei").await;
    let mut browser = Browser::new(&app, "en");
    ask(&mut browser, "li.wei").await.goes_to();
    let path = link(&newest(&app.market).await);
    tamper(&app.market, "UPDATE password_resets SET expires_at = created_at").await;
    assert_eq!(browser.open(&path).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let late = browser.post("/password/reset", &[("token", token(&path)), ("new_password", NEW_PASSWORD)]).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    ask(&mut browser, "li.wei").await.goes_to();
    let path = link(&newest(&app.market).await);
    tamper(&app.market, "UPDATE users SET disabled_at = 1").await;
    let disabled = browser.post("/password/reset", &[("token", token(&path)), ("new_password", NEW_PASSWORD)]).await;
    assert_eq!(disabled.status, StatusCode::UNPROCESSABLE_ENTITY);
    app.finish().await;
}

#[tokio::test]
async fn nothing_that_opens_anything_can_be_read_in_the_database() {
    let app = TestApp::new().await;
    people::buyer(&app.market, "li.wei").await;
    ask(&mut Browser::new(&app, "en"), "li.wei").await.goes_to();
    let path = link(&newest(&app.market).await);
    let secret = token(&path).to_owned();
    for table in ["mails", "password_resets", "audit", "jobs", "users", "sessions"] {
        let rows: Vec<String> = whole(&app.market, table).await;
        assert!(!rows.is_empty() || table == "jobs" || table == "sessions", "{table}");
        let found: Vec<_> = rows.iter().filter(|row| row.contains(&secret) || row.contains("market.example")).collect();
        assert!(found.is_empty(), "{table}: {found:?}");
    }
    app.finish().await;
}

/// Every value of a table, as text; bytes as the characters they would be.
async fn whole(market: &Market, table: &'static str) -> Vec<String> {
    let columns: &[&str] = match table {
        "mails" => &["recipient || subject || state", "text_sealed"],
        "password_resets" => &["COALESCE(user_id, '')", "token_hash"],
        "audit" => &["action || subject || detail"],
        "jobs" => &["kind || subject || lane"],
        "users" => &["login || name || password_hash"],
        _ => &["id || client"],
    };
    let mut values = Vec::new();
    for column in columns {
        let text: &'static str = Box::leak(format!("SELECT {column} FROM {table}").into_boxed_str());
        let statement: &'static db::Statement = Box::leak(Box::new(db::Statement::new(text, file!(), line!())));
        let rows: Vec<(kernel::Scalar,)> = market.db().read(async move |tx| tx.all(statement, &[]).await).await.unwrap();
        values.extend(rows.into_iter().map(|(value,)| match value {
            kernel::Scalar::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => format!("{other:?}"),
        }));
    }
    values
}

#[tokio::test]
async fn a_mail_server_that_does_not_take_a_mail_is_asked_again() {
    let server = MailServer::start(&[Turn::Defer, Turn::HangUp, Turn::LockOut]).await;
    let settings = MailSettings {
        credentials: Some(("market".to_owned(), outbound::mail::MailPassword("smtp-secret".to_owned()))),
        ..server.settings()
    };
    let app = through(&settings).await;
    people::buyer(&app.market, "li.wei").await;
    ask(&mut Browser::new(&app, "en"), "li.wei").await.goes_to();
    pass(&app.market, 0).await;
    let stands = async || mails(&app.market).await.remove(0);
    let first = stands().await;
    assert_eq!((first.state, first.attempts), (MailState::Queued, 1));
    assert!(first.last_error.as_ref().unwrap().contains("451"), "{first:?}");
    pass(&app.market, MINUTE_MS - 1).await;
    assert_eq!(stands().await.attempts, 1, "not before its time");
    pass(&app.market, 1).await;
    assert_eq!((stands().await.state, stands().await.attempts), (MailState::Queued, 2));
    pass(&app.market, 5 * MINUTE_MS).await;
    let third = stands().await;
    assert!(third.state == MailState::Queued && third.last_error.as_ref().unwrap().contains("535"), "{third:?}");
    assert!(!format!("{third:?}").contains("smtp-secret"));
    assert!(server.received().is_empty());
    pass(&app.market, 30 * MINUTE_MS).await;
    let sent = stands().await;
    assert_eq!((sent.state, sent.attempts, sent.last_error), (MailState::Sent, 4, None));
    assert!(sent.sent_at.is_some());
    let [mail] = &server.received()[..] else { panic!("one mail: {:?}", server.received()) };
    assert_eq!(mail.to, "li.wei@example.com");
    assert_eq!(mail.header("Message-ID"), Some(format!("<{}@example.com>", sent.id).as_str()));
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert!(mail.header("From").unwrap().contains("market@example.com"));
    assert!(mail.text().contains("for the sign-in name li.wei") && link(&mail.text()).starts_with("/password/reset?token=ysr_"));
    app.finish().await;
}

#[tokio::test]
async fn a_mail_that_nobody_takes_is_given_up_in_the_end() {
    let refusing = MailServer::start(&[Turn::Refuse]).await;
    let app = through(&refusing.settings()).await;
    people::buyer(&app.market, "li.wei").await;
    ask(&mut Browser::new(&app, "en"), "li.wei").await.goes_to();
    pass(&app.market, 0).await;
    let refused = mails(&app.market).await.remove(0);
    assert_eq!((refused.state, refused.attempts), (MailState::Failed, 1), "what is never taken is not tried again");
    let said = refused.last_error.unwrap();
    assert!(said.contains("550") && !said.contains("li.wei@example.com") && said.contains("l***@example.com"), "{said}");
    app.finish().await;

    // A server that is not there, and one that says nothing.
    let silent = MailServer::start(&[Turn::Silent; 6]).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = MailSettings { port: nobody.port(), ..silent.settings() };
    let slow = MailSettings { timeout: Duration::from_millis(50), ..silent.settings() };
    for (settings, why) in [(dead, "not reached"), (slow, "longer than 50 ms")] {
        let app = through(&settings).await;
        people::buyer(&app.market, "li.wei").await;
        ask(&mut Browser::new(&app, "en"), "li.wei").await.goes_to();
        pass(&app.market, 0).await;
        let first = mails(&app.market).await.remove(0);
        assert!(first.last_error.as_ref().unwrap().contains(why), "{first:?}");
        pass(&app.market, 12 * 60 * MINUTE_MS).await;
        let last = mails(&app.market).await.remove(0);
        assert_eq!((last.state, last.attempts), (MailState::Failed, 6));
        app.finish().await;
    }
}

async fn tell(market: &Market, account: AccountId, kind: NoticeKind) {
    let ctx = people::ctx(market).await;
    let args = json!({ "amount_minor": 12_345, "currency": "CNY", "order": "CS1" });
    market.db().write(async move |tx| notices::send(tx, &ctx, account, kind, &"CS1", &args).await).await.unwrap();
}

#[tokio::test]
async fn what_comes_into_the_inbox_goes_by_mail_to_whoever_wants_it() {
    let app = TestApp::new().await;
    let owner = people::buyer(&app.market, "li.wei").await;
    let viewer = people::colleague(&app.market, &owner, "zhang.min", &[Role::BuyerViewer]).await;
    let (ctx, mut details) = (people::ctx(&app.market).await, details(&viewer.user));
    details.locale = Locale::ZhCn;
    let (account, user) = (viewer.account.id, viewer.user.id);
    let update = async move |tx: &mut db::Tx| market::accounts::update_user(tx, &ctx, account, user, details.clone(), None).await;
    app.market.db().write(update).await.unwrap();

    tell(&app.market, account, NoticeKind::DepositRecorded).await;
    pass(&app.market, 4 * MINUTE_MS).await;
    tell(&app.market, account, NoticeKind::Refunded).await;
    assert!(mails(&app.market).await.is_empty());
    pass(&app.market, MINUTE_MS).await;
    let written = mails(&app.market).await;
    assert_eq!(written.iter().map(|mail| &*mail.recipient).collect::<Vec<_>>(), ["li.wei@example.com"], "owners, one mail for both");
    let text = newest(&app.market).await;
    assert!(text.contains("¥123.45") && text.contains("https://market.example/buyer/orders/CS1"), "{text}");
    pass(&app.market, 60 * MINUTE_MS).await;
    assert_eq!(mails(&app.market).await.len(), 1, "nothing is told twice");

    // The owner wants no more of it, the other one does, in Chinese.
    let mut browser = Browser::new(&app, "en");
    browser.sign_in("li.wei").await;
    browser.open("/account").await.says("value=\"on\" checked");
    assert_eq!(browser.post("/account/mail", &[]).await.goes_to(), "/account?done=saved");
    assert!(!browser.open("/account").await.html.contains("value=\"on\" checked"));
    let mut other = Browser::new(&app, "zh-CN");
    other.sign_in("zhang.min").await;
    assert!(!other.open("/account").await.html.contains("value=\"on\" checked"));
    assert_eq!(other.post("/account/mail", &[("notices", "on")]).await.goes_to(), "/account?done=saved");
    tell(&app.market, account, NoticeKind::DepositRecorded).await;
    pass(&app.market, 5 * MINUTE_MS).await;
    let written = mails(&app.market).await;
    assert_eq!((written.len(), &*written[0].recipient), (2, "zhang.min@example.com"));
    let text = newest(&app.market).await;
    assert!(text.starts_with("zhang.min，您好：") && text.contains("https://market.example/account#mail"), "{text}");

    // What was read meanwhile is told nobody again.
    tell(&app.market, account, NoticeKind::DepositRecorded).await;
    other.post("/account/notices/read", &[]).await.goes_to();
    pass(&app.market, 5 * MINUTE_MS).await;
    assert_eq!(mails(&app.market).await.len(), 2);
    app.finish().await;
}

fn details(user: &market::accounts::User) -> market::accounts::UserDetails {
    market::accounts::UserDetails { name: user.name.clone(), email: user.email.clone(), phone: user.phone.clone(), locale: user.locale }
}

#[tokio::test]
async fn a_burst_of_messages_waits_and_comes_as_one_mail() {
    let app = TestApp::new().await;
    let owner = people::buyer(&app.market, "li.wei").await;
    for round in 0..60 {
        people_mail(&app.market, &owner, round).await;
    }
    for _ in 0..30 {
        tell(&app.market, owner.account.id, NoticeKind::DepositRecorded).await;
    }
    let newest_two = async || mails(&app.market).await.iter().take(2).map(|mail| mail.kind).collect::<Vec<_>>();
    pass(&app.market, 30 * MINUTE_MS).await;
    assert_eq!(newest_two().await, [MailKind::PasswordChanged; 2], "an account gets only so many in an hour");
    pass(&app.market, 60 * MINUTE_MS).await;
    assert_eq!(newest_two().await, [MailKind::Notices, MailKind::PasswordChanged]);
    let text = newest(&app.market).await;
    assert!(text.contains("And 10 more"), "{text}");
    app.finish().await;
}

async fn people_mail(market: &Market, to: &people::Person, round: i64) {
    let (ctx, again) = (people::ctx(market).await, market.clone());
    let addressee = mail::Addressee {
        user: to.user.id,
        account: to.account.id,
        name: to.user.name.clone(),
        email: to.user.email.clone(),
        locale: Locale::En,
    };
    let write = async move |tx: &mut db::Tx| {
        mail::write(tx, &ctx, &again, &addressee, &mail::Matter::PasswordChanged { login: "li.wei", at: round }).await
    };
    market.db().write(write).await.unwrap();
}

#[tokio::test]
async fn the_outbox_of_a_sandbox_is_open_only_where_somebody_opened_it() {
    let app = TestApp::with(Settings { open_outbox: true, ..TestApp::patient() }).await;
    people::buyer(&app.market, "li.wei").await;
    let mut browser = Browser::new(&app, "en");
    browser.open("/outbox").await.says("Nothing has been written yet");
    browser.open("/password/forgot").await.says("href=\"/outbox\"");
    ask(&mut browser, "li.wei").await.goes_to();
    let list = browser.open("/outbox").await;
    list.says("li.wei@example.com");
    let path = list.html.split("href=\"/outbox/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = browser.open(&format!("/outbox/{path}")).await;
    let to = page.html.split("href=\"/password/reset?").nth(1).unwrap().split('"').next().unwrap().replace("&#61;", "=");
    assert_eq!(browser.open(&format!("/password/reset?{to}")).await.status, StatusCode::OK);
    app.finish().await;

    // Closed unless somebody opened it; where mails are sent it does not exist, whatever is set.
    let server = MailServer::start(&[]).await;
    let closed = TestApp::new().await;
    let mailer = Some(Transport::Server(Mailer::new(&server.settings()).unwrap()));
    let sending = TestApp::of(Settings { open_outbox: true, ..TestApp::patient() }, Mode::Sandbox, mailer).await;
    for app in [closed, sending] {
        let mut browser = Browser::new(&app, "en");
        assert_eq!(browser.open("/outbox").await.status, StatusCode::NOT_FOUND);
        assert!(!browser.open("/password/forgot").await.html.contains("/outbox"));
        app.finish().await;
    }
}

#[tokio::test]
async fn the_operator_sees_in_a_sandbox_what_mails_say_and_nobody_else_does() {
    let app = TestApp::new().await;
    people::operator(&app.market).await;
    people::buyer(&app.market, "li.wei").await;
    let mut buyer = Browser::new(&app, "en");
    ask(&mut buyer, "li.wei").await.goes_to();
    buyer.sign_in("li.wei").await;
    assert_eq!(buyer.open("/operator/mail").await.status, StatusCode::FORBIDDEN);
    for language in ["en", "zh-CN"] {
        let mut operator = Browser::new(&app, language);
        operator.sign_in("operator").await;
        let list = operator.open("/operator/mail").await;
        list.says("li.wei@example.com");
        let path = list.html.split("href=\"/operator/mail/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        operator.open(&format!("/operator/mail/{path}")).await.says("password/reset");
        assert!(!operator.open("/operator/mail?state=failed").await.html.contains("li.wei@example.com"));
        assert_eq!(buyer.open(&format!("/operator/mail/{path}")).await.status, StatusCode::FORBIDDEN);
    }
    app.finish().await;
}

#[tokio::test]
async fn in_production_nobody_reads_a_mail_but_its_reader_and_nothing_of_it_stays() {
    let server = MailServer::start(&[]).await;
    let mailer = Some(Transport::Server(Mailer::new(&server.settings()).unwrap()));
    let app = TestApp::of(Settings { open_outbox: true, ..TestApp::patient() }, Mode::Production, mailer).await;
    people::operator(&app.market).await;
    people::buyer(&app.market, "li.wei").await;
    let mut operator = Browser::new(&app, "en");
    assert_eq!(operator.open("/outbox").await.status, StatusCode::NOT_FOUND);
    ask(&mut operator, "li.wei").await.goes_to();
    operator.sign_in("operator").await;
    let hidden = async |operator: &mut Browser<'_>| {
        let list = operator.open("/operator/mail").await;
        list.says("l***@example.com");
        let path = list.html.split("href=\"/operator/mail/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let page = operator.open(&format!("/operator/mail/{path}")).await;
        page.says("it is for its reader alone");
        let both = list.html + &page.html;
        assert!(!both.contains("li.wei@example.com") && !both.contains("ysr_"), "{both}");
    };
    hidden(&mut operator).await;
    runner::run(app.market.clone(), RunnerSettings::default(), server.until_received(1)).await;
    let sent = mails(&app.market).await.remove(0);
    assert_eq!((sent.state, sent.attempts), (MailState::Sent, 1));
    hidden(&mut operator).await;
    let left = app.market.db().write(async |tx| tx.run_text("SELECT id FROM mails WHERE text_sealed IS NOT NULL").await).await.unwrap();
    assert!(left.is_empty(), "what was sent is not kept");
    assert!(link(&server.received()[0].text()).contains("ysr_"));
    app.leave_unreckoned();
}

#[tokio::test]
async fn a_market_without_a_mail_server_says_whom_to_ask() {
    let app = TestApp::of(TestApp::patient(), Mode::Sandbox, None).await;
    let owner = people::buyer(&app.market, "li.wei").await;
    let mut browser = Browser::new(&app, "zh-CN");
    let page = browser.open("/password/forgot").await;
    page.says("请联系账号管理人员");
    assert!(!page.html.contains("name=\"whom\""));
    ask(&mut browser, "li.wei").await.goes_to();
    tell(&app.market, owner.account.id, NoticeKind::DepositRecorded).await;
    pass(&app.market, 24 * 60 * MINUTE_MS).await;
    assert!(mails(&app.market).await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn old_mails_and_requests_are_forgotten() {
    let app = TestApp::new().await;
    people::buyer(&app.market, "li.wei").await;
    ask(&mut Browser::new(&app, "en"), "li.wei").await.goes_to();
    pass(&app.market, 29 * kernel::DAY_MS).await;
    runner::upkeep(&app.market).await.unwrap();
    assert_eq!(mails(&app.market).await.len(), 1);
    pass(&app.market, 2 * kernel::DAY_MS).await;
    tamper(&app.market, "UPDATE password_resets SET created_at = 0").await;
    runner::upkeep(&app.market).await.unwrap();
    assert!(mails(&app.market).await.is_empty());
    let left = app.market.db().write(async |tx| tx.run_text("SELECT user_id FROM password_resets").await).await.unwrap();
    assert!(left.is_empty());
    app.finish().await;
}
