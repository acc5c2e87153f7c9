//! What everybody has of their own, by pages.

use reqwest::StatusCode;

use crate::browser::Browser;
use crate::buying::Shop;
use crate::people::PASSWORD;
use crate::support::TestApp;

async fn signed_up<'a>(app: &'a TestApp, language: &'static str, account: &str, login: &str) -> Browser<'a> {
    let mut browser = Browser::new(app, language);
    let fields = [
        ("account", account),
        ("kind", "enterprise"),
        ("title", account),
        ("name", "Li Wei"),
        ("email", "li.wei@example.com"),
        ("login", login),
        ("password", PASSWORD),
        ("next", "/account"),
    ];
    assert_eq!(browser.post("/sign-up", &fields).await.goes_to(), "/account");
    browser
}

#[tokio::test]
async fn a_form_that_is_sent_after_the_session_has_ended_is_not_lost() {
    let app = TestApp::new().await;
    let mut browser = signed_up(&app, "en", "Nebula", "li.wei").await;
    let page = browser.open("/account").await;
    let version = page.field("version");
    // Elsewhere the password is changed, which ends this session.
    let mut other = Browser::new(&app, "en");
    other.sign_in("li.wei").await;
    let changed = other.post("/account/password", &[("old_password", PASSWORD), ("new_password", "another-long-phrase-7")]).await;
    assert_eq!(changed.goes_to(), "/account?done=password");
    let typed = [("user_name", "Li \"the\" Wei"), ("email", "li@example.com"), ("phone", ""), ("locale", "en"), ("version", &*version)];
    let door = browser.post("/account", &typed).await;
    assert_eq!(door.status, StatusCode::UNAUTHORIZED);
    door.says("what you typed is kept");
    let (to, kept) = (door.field("to"), door.field("typed").replace("&#38;", "&").replace("&amp;", "&"));
    assert_eq!(to, "/account");
    let wrong = browser.post("/sign-in", &[("login", "li.wei"), ("password", "wrong-password-1"), ("to", &to), ("typed", &kept)]).await;
    assert_eq!(wrong.field("to"), "/account", "a wrong password loses nothing either");
    let back = browser.post("/sign-in", &[("login", "li.wei"), ("password", "another-long-phrase-7"), ("to", &to), ("typed", &kept)]).await;
    back.says("value=\"Li &#34;the&#34; Wei\"");
    assert_eq!(browser.post("/account", &typed).await.goes_to(), "/account?done=saved");
    browser.open("/account").await.says("Li &#34;the&#34; Wei");
    // Nothing else is sent on for anybody: no other site's address, and no secret.
    for (to, typed) in [("https://evil.example/", "a=b"), ("/api/v1/orders", "a=b"), ("/sign-out", "")] {
        let fields = [("login", "li.wei"), ("password", "another-long-phrase-7"), ("next", "/"), ("to", to), ("typed", typed)];
        assert_eq!(browser.post("/sign-in", &fields).await.goes_to(), "/");
    }
    let mut gone = Browser::new(&app, "en");
    let door = gone.post("/account/password", &[("old_password", "x"), ("new_password", "y")]).await;
    assert!(!door.html.contains("old_password"), "{}", door.html);
    app.finish().await;
}

#[tokio::test]
async fn somebody_changes_their_details_and_two_tabs_do_not_overwrite_each_other() {
    let app = TestApp::new().await;
    let mut browser = signed_up(&app, "zh-CN", "星云", "li.wei").await;
    let version = browser.open("/account").await.field("version");
    let with = |email: &'static str, version: &str| {
        [
            ("user_name", "李伟".to_owned()),
            ("email", email.to_owned()),
            ("phone", String::new()),
            ("locale", "zh-CN".to_owned()),
            ("version", version.to_owned()),
        ]
    };
    let send = |fields: [(&'static str, String); 5]| fields;
    let first = send(with("li@example.com", &version));
    let pairs: Vec<(&str, &str)> = first.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(browser.post("/account", &pairs).await.goes_to(), "/account?done=saved");
    browser.open("/account?done=saved").await.says("已保存。");
    let second = send(with("wei@example.com", &version));
    let pairs: Vec<(&str, &str)> = second.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let stale = browser.post("/account", &pairs).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    stale.says("value=\"wei@example.com\"");
    stale.says("role=\"alert\"");
    let wrong = send(with("nowhere", &version));
    let pairs: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let beside = browser.post("/account", &pairs).await;
    let beside = beside.html.split("id=\"email-wrong\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(beside.contains("邮箱"), "{beside}");
    app.finish().await;
}

#[tokio::test]
async fn a_session_elsewhere_is_ended() {
    let app = TestApp::new().await;
    let mut here = signed_up(&app, "en", "Nebula", "li.wei").await;
    let mut there = Browser::new(&app, "en");
    there.sign_in("li.wei").await;
    assert_eq!(there.open("/account").await.status, StatusCode::OK);
    let page = here.open("/account").await;
    page.says("This one");
    let path = page.html.split("action=\"/account/sessions/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(here.post(&format!("/account/sessions/{path}"), &[]).await.goes_to(), "/account?done=session-ended");
    assert!(there.open("/account").await.goes_to().starts_with("/sign-in?next="));
    app.finish().await;
}

#[tokio::test]
async fn an_owner_adds_a_member_who_may_do_only_what_the_role_says() {
    let app = TestApp::new().await;
    let mut owner = signed_up(&app, "en", "Nebula", "li.wei").await;
    let new = |roles: &'static str, password: &'static str| {
        [
            ("user_name", "Zhang <b>Min</b>"),
            ("email", "zhang@example.com"),
            ("phone", ""),
            ("locale", "en"),
            ("login", "zhang.min"),
            ("password", password),
            ("roles", roles),
        ]
    };
    let weak = owner.post("/account/members/new", &new("buyer.viewer", "short")).await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    weak.says("value=\"zhang.min\"");
    weak.says("value=\"buyer.viewer\" checked");
    let beside = weak.html.split("id=\"password-wrong\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(beside.contains("role=\"alert\""), "{beside}");
    let foreign = owner.post("/account/members/new", &new("operator.admin", PASSWORD)).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{}", foreign.html);
    let added = owner.post("/account/members/new", &new("buyer.viewer", PASSWORD)).await;
    let path = added.goes_to().split('?').next().unwrap().to_owned();
    owner.open("/account/members").await.says("Zhang &#60;b&#62;Min");
    let mut member = Browser::new(&app, "en");
    member.sign_in("zhang.min").await;
    assert_eq!(member.open("/buyer/orders").await.status, StatusCode::OK);
    assert_eq!(member.open("/account/members").await.status, StatusCode::FORBIDDEN);
    let version = owner.open(&path).await.field("version");
    let none = owner.post(&format!("{path}/roles"), &[("version", &version)]).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    let roles = [("version", &*version), ("roles", "buyer.viewer"), ("roles", "buyer.finance")];
    assert_eq!(owner.post(&format!("{path}/roles"), &roles).await.goes_to(), format!("{path}?done=saved"));
    assert_eq!(owner.post(&format!("{path}/disable"), &[]).await.goes_to(), format!("{path}?done=saved"));
    assert!(member.open("/buyer/orders").await.goes_to().starts_with("/sign-in"));
    assert_eq!(owner.post(&format!("{path}/enable"), &[]).await.goes_to(), format!("{path}?done=saved"));
    assert_eq!(
        owner.post(&format!("{path}/password"), &[("new_password", "a-third-long-phrase")]).await.goes_to(),
        format!("{path}?done=password")
    );
    // Another account's people are nobody here.
    let mut other = signed_up(&app, "en", "Pulsar", "pu.lsar").await;
    assert_eq!(other.open(&path).await.status, StatusCode::NOT_FOUND);
    app.finish().await;
}

#[tokio::test]
async fn a_token_is_shown_once_and_opens_what_it_may_until_it_is_revoked() {
    let app = TestApp::new().await;
    let mut browser = signed_up(&app, "en", "Nebula", "li.wei").await;
    browser.open("/account/tokens").await.says("No tokens yet");
    let none = browser.post("/account/tokens", &[("name", "ci"), ("days", "30")]).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    let long = browser.post("/account/tokens", &[("name", "ci"), ("days", "4000"), ("scopes", "buyer.view")]).await;
    long.says("value=\"buyer.view\" checked");
    long.says("between 1 and 365");
    let made = browser.post("/account/tokens", &[("name", "ci"), ("days", "30"), ("scopes", "buyer.view")]).await;
    let token = made.html.split("id=\"made-token\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let list = browser.open("/account/tokens").await;
    assert!(!list.html.contains(&token));
    let asked = async || browser.client.get(format!("{}/api/v1/balance", app.base)).bearer_auth(&token).send().await.unwrap().status();
    assert_eq!(asked().await, StatusCode::OK);
    let path = list.html.split("action=\"/account/tokens/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut again = Browser { app: &app, client: browser.client.clone(), cookies: browser.cookies.clone(), language: "en" };
    assert_eq!(again.post(&format!("/account/tokens/{path}"), &[]).await.goes_to(), "/account/tokens?done=token-revoked");
    assert_eq!(asked().await, StatusCode::UNAUTHORIZED);
    app.finish().await;
}

#[tokio::test]
async fn messages_are_told_in_words_and_counted_until_they_are_read() {
    let shop = Shop::open().await;
    shop.pay().await;
    shop.days(0).await;
    for (language, ready) in [("en", "Ready to use"), ("zh-CN", "已开通")] {
        let mut browser = Browser::new(&shop.fair.app, language);
        browser.sign_in("acme").await;
        let inbox = browser.open("/account/notices").await;
        inbox.says(ready);
        assert!(!inbox.html.contains("page-notice"), "{}", inbox.html);
    }
    let mut browser = Browser::new(&shop.fair.app, "en");
    browser.sign_in("acme").await;
    let inbox = browser.open("/account/notices").await;
    inbox.says("class=\"bell\"");
    let unread = |html: &str| html.split("class=\"bell\"").nth(1).unwrap().split("</a>").next().unwrap().contains("<b>");
    assert!(unread(&inbox.html));
    let opened = inbox.html.split("Ready to use").next().unwrap().rsplit("action=\"").next().unwrap().split('"').next().unwrap().to_owned();
    assert!(browser.post(&opened, &[]).await.goes_to().starts_with("/buyer/services/sub_"));
    assert_eq!(browser.post("/account/notices/read", &[]).await.goes_to(), "/account/notices?done=read");
    assert!(!unread(&browser.open("/").await.html));
    let mut seller = Browser::new(&shop.fair.app, "en");
    seller.sign_in("nebula").await;
    assert_eq!(seller.post(&opened, &[]).await.status, StatusCode::NOT_FOUND);
    shop.fair.app.finish().await;
}
