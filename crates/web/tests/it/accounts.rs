//! Signing up, in and out; people and their powers.

use std::num::NonZeroU32;

use market::accounts::{Permission, Role};
use reqwest::{Method, StatusCode};
use serde_json::json;
use web::Settings;

use crate::people::{self, PASSWORD};
use crate::support::{Answer, TestApp};

impl TestApp {
    async fn post(&self, path: &str, token: &str, body: serde_json::Value) -> Answer {
        self.send(self.request(Method::POST, path).bearer_auth(token).json(&body)).await
    }
}

#[tokio::test]
async fn somebody_signs_up_in_and_out() {
    let app = TestApp::new().await;
    let owner = json!({ "login": "li.wei", "name": "李伟", "email": "li.wei@example.com", "locale": "zh-CN", "password": PASSWORD });
    let body = json!({ "name": "Nebula", "kind": "enterprise", "title": "星云科技有限公司", "owner": owner });
    let made = app.send(app.request(Method::POST, "/api/v1/accounts").json(&body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert!(!made.body.to_string().contains(PASSWORD));
    let again = app.send(app.request(Method::POST, "/api/v1/accounts").json(&body)).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "account-name-taken"));

    let wrong =
        app.send(app.request(Method::POST, "/api/v1/sessions").json(&json!({ "login": "li.wei", "password": "nonsense-12" }))).await;
    assert_eq!((wrong.status, wrong.code()), (StatusCode::UNAUTHORIZED, "sign-in-wrong"));
    let signed_in = app.send(app.request(Method::POST, "/api/v1/sessions").json(&json!({ "login": "LI.WEI", "password": PASSWORD }))).await;
    assert_eq!(signed_in.status, StatusCode::CREATED);
    let token = signed_in.body["token"].as_str().unwrap();

    let me = app.send(app.request(Method::GET, "/api/v1/me").bearer_auth(token)).await;
    assert_eq!(me.body["account"]["name"], "Nebula");
    assert!(me.body["permissions"].as_array().unwrap().contains(&json!("buyer.manage")));
    let cookie = format!("__Host-yunshi={token}");
    assert_eq!(app.send(app.request(Method::GET, "/api/v1/me").header("cookie", &cookie)).await.status, StatusCode::OK);

    let refused = app.send(app.request(Method::GET, "/api/v1/operator/jobs").bearer_auth(token)).await;
    assert_eq!(refused.code(), "role-missing");
    assert_eq!(refused.body["title"], "您的角色无权执行此操作", "the language of the reader, when the request asks for none");

    let foreign =
        app.send(app.request(Method::DELETE, "/api/v1/sessions/current").header("cookie", &cookie).header("sec-fetch-site", "cross-site"));
    assert_eq!(foreign.await.code(), "sign-in-needed", "another site cannot act with our cookie");
    let out = app.send(app.request(Method::DELETE, "/api/v1/sessions/current").bearer_auth(token)).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(app.send(app.request(Method::GET, "/api/v1/me").bearer_auth(token)).await.code(), "token-invalid");
    app.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_sign_up_is_told_by_field() {
    let app = TestApp::new().await;
    let owner = json!({ "login": "li.wei", "name": "李伟", "email": "not-an-address", "password": PASSWORD });
    let body = json!({ "name": "Nebula", "kind": "enterprise", "title": "星云", "owner": owner });
    let refused = app.send(app.request(Method::POST, "/api/v1/accounts").header("accept-language", "zh-CN").json(&body)).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::UNPROCESSABLE_ENTITY, "field-invalid"));
    assert_eq!(refused.body["errors"], json!([{ "field": "email", "rule": "email", "detail": "须为电子邮箱地址，如 name@example.com" }]));

    for (body, detail) in [
        (json!({ "name": "Nebula", "kind": "club" }), "kind: \"club\" is not one of enterprise, individual"),
        (json!({ "name": 7 }), "name: must be a text"),
        (json!({ "login": "x" }), "name is missing"),
        (json!([1, 2]), "[0]: must be a text"),
    ] {
        let refused = app.send(app.request(Method::POST, "/api/v1/accounts").json(&body)).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, "body-invalid"), "{body}");
        assert!(refused.body["detail"].as_str().unwrap().contains(detail), "{detail}: {refused:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn guessing_passwords_is_slow_from_one_address() {
    let three = NonZeroU32::new(3).unwrap();
    let app = TestApp::with(Settings { sign_ins_per_minute: three, ..Settings::default() }).await;
    let mut last = None;
    for n in 0..4 {
        let body = json!({ "login": format!("nobody-{n}"), "password": "nonsense-12" });
        last = Some(app.send(app.request(Method::POST, "/api/v1/sessions").json(&body)).await);
    }
    let last = last.unwrap();
    assert_eq!((last.status, last.code()), (StatusCode::TOO_MANY_REQUESTS, "too-many-requests"));
    assert!(last.header("retry-after").parse::<u64>().unwrap() <= 60);
    app.finish().await;
}

#[tokio::test]
async fn two_people_who_edit_the_same_thing_do_not_overwrite_each_other() {
    let app = TestApp::new().await;
    let owner = people::buyer(&app.market, "acme").await;
    let token = people::session(&app.market, &owner).await;
    let me = app.send(app.request(Method::GET, "/api/v1/me").bearer_auth(&token)).await;
    let tag = me.header("etag").to_owned();
    let body = json!({ "name": "Ada", "email": "ada@example.com", "phone": "", "locale": "en" });
    let put = |tag: Option<&str>| {
        let request = app.request(Method::PUT, "/api/v1/me").bearer_auth(&token).json(&body);
        tag.into_iter().fold(request, |request, tag| request.header("if-match", tag))
    };
    let missing = app.send(put(None)).await;
    assert_eq!((missing.status, missing.code()), (StatusCode::PRECONDITION_REQUIRED, "version-missing"));
    let first = app.send(put(Some(&tag))).await;
    assert_eq!((first.status, &first.body["name"]), (StatusCode::OK, &json!("Ada")));
    assert_ne!(first.header("etag"), tag);
    let stale = app.send(put(Some(&tag))).await;
    assert_eq!((stale.status, stale.code()), (StatusCode::PRECONDITION_FAILED, "version-stale"));
    assert_eq!(app.send(put(Some("*"))).await.status, StatusCode::OK);
    app.finish().await;
}

#[tokio::test]
async fn who_manages_one_side_does_not_come_by_the_other() {
    let app = TestApp::new().await;
    let owner = people::buyer(&app.market, "acme").await;
    people::admit(&app.market, &owner).await;
    let seller = people::colleague(&app.market, &owner, "seller", &[Role::SellerOwner]).await;
    let token = people::session(&app.market, &seller).await;

    let user = json!({ "login": "new", "name": "New", "email": "new@example.com", "password": PASSWORD });
    let as_buyer = app.post("/api/v1/users", &token, json!({ "user": user, "roles": ["buyer.owner"] })).await;
    assert_eq!((as_buyer.code(), &as_buyer.body["permission"]), ("role-missing", &json!("buyer.manage")));
    let as_seller = app.post("/api/v1/users", &token, json!({ "user": user, "roles": ["seller.support"] })).await;
    assert_eq!(as_seller.status, StatusCode::CREATED, "{as_seller:?}");

    let owners = format!("/api/v1/users/{}", owner.user.id);
    let password = app.post(&format!("{owners}/password"), &token, json!({ "password": "another-kettle-42" })).await;
    assert_eq!(password.code(), "role-missing", "a seller's manager must not set the buyer's owner a password");
    assert_eq!(app.post(&format!("{owners}/disable"), &token, json!({})).await.code(), "role-missing");
    let new = as_seller.header("location").to_owned();
    assert_eq!(app.post(&format!("{new}/disable"), &token, json!({})).await.status, StatusCode::OK);
    app.finish().await;
}

#[tokio::test]
async fn what_belongs_to_another_account_is_not_found() {
    let app = TestApp::new().await;
    let (one, other) = (people::buyer(&app.market, "one").await, people::buyer(&app.market, "other").await);
    let token = people::session(&app.market, &one).await;
    for id in [other.user.id.to_string(), "usr_01jd8z3k5wf2q9v7n4x6m0t1ya".to_owned(), "acc_1".to_owned(), "%00".to_owned()] {
        let answer = app.send(app.request(Method::GET, &format!("/api/v1/users/{id}")).bearer_auth(&token)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not-found"), "{id}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_token_works_until_it_is_revoked() {
    let app = TestApp::new().await;
    let owner = people::buyer(&app.market, "acme").await;
    let session = people::session(&app.market, &owner).await;
    let expires_at = people::ctx(&app.market).await.wall + kernel::DAY_MS;
    let body = json!({ "name": "robot", "scopes": ["buyer.view"], "expires_at": expires_at });
    let made = app.post("/api/v1/tokens", &session, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let token = made.body["secret"].as_str().unwrap();
    assert_eq!(app.send(app.request(Method::GET, "/api/v1/balance").bearer_auth(token)).await.status, StatusCode::OK);
    let users = app.send(app.request(Method::GET, "/api/v1/users").bearer_auth(token)).await;
    assert_eq!((users.code(), &users.body["permission"]), ("scope-missing", &json!("buyer.manage")));
    let listed = app.send(app.request(Method::GET, "/api/v1/tokens").bearer_auth(&session)).await;
    assert!(!listed.body.to_string().contains(token), "a token is shown once");
    let revoked = app.send(app.request(Method::DELETE, made.header("location")).bearer_auth(&session)).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(app.send(app.request(Method::GET, "/api/v1/balance").bearer_auth(token)).await.code(), "token-invalid");
    assert!(people::token(&app.market, &owner, [Permission::BuyerView]).await.starts_with("yst_"));
    app.finish().await;
}

#[tokio::test]
async fn a_token_neither_outlives_its_end_nor_touches_other_sign_ins() {
    let app = TestApp::new().await;
    let owner = people::buyer(&app.market, "acme").await;
    let session = people::session(&app.market, &owner).await;
    let every_scope = [Permission::BuyerView, Permission::BuyerPurchase, Permission::BuyerPay, Permission::BuyerManage];
    let token = people::token(&app.market, &owner, every_scope).await;
    let expires_at = people::ctx(&app.market).await.wall + 366 * kernel::DAY_MS;
    let body = json!({ "name": "heir", "scopes": ["buyer.view"], "expires_at": expires_at });
    let heir = app.post("/api/v1/tokens", &token, body.clone()).await;
    assert_eq!((heir.status, heir.code()), (StatusCode::FORBIDDEN, "session-needed"));
    let other = app.post("/api/v1/tokens", &session, body).await.header("location").to_owned();
    let revoked = app.send(app.request(Method::DELETE, &other).bearer_auth(&token)).await;
    assert_eq!(revoked.code(), "session-needed", "a token does not end another");

    let listed = app.send(app.request(Method::GET, "/api/v1/tokens").bearer_auth(&token)).await.body;
    let own = listed["items"].as_array().unwrap().iter().find(|one| one["name"] == "test").unwrap()["id"].as_str().unwrap().to_owned();
    let revoked = app.send(app.request(Method::DELETE, &format!("/api/v1/tokens/{own}")).bearer_auth(&token)).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT, "but it may end itself, such as after a rotation");
    assert_eq!(app.send(app.request(Method::GET, "/api/v1/balance").bearer_auth(&token)).await.code(), "token-invalid");
    app.finish().await;
}

#[tokio::test]
async fn a_token_ends_by_itself() {
    let app = TestApp::new().await;
    let owner = people::buyer(&app.market, "acme").await;
    let token = people::token_until(&app.market, &owner, [Permission::BuyerView], 1).await;
    // Its end is a moment after it was made: the machine's time passes that before the request arrives.
    while people::ctx(&app.market).await.wall <= token.1 {
        tokio::task::yield_now().await;
    }
    let late = app.send(app.request(Method::GET, "/api/v1/balance").bearer_auth(&token.0)).await;
    assert_eq!((late.status, late.code()), (StatusCode::UNAUTHORIZED, "token-invalid"));
    app.finish().await;
}
