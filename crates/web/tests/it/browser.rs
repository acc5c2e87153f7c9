//! A browser without scripts, for the tests of pages.

use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Client, StatusCode};

use crate::people::PASSWORD;
use crate::support::TestApp;

/// A browser: it keeps cookies, says where its acts come from, and follows no redirect before the test has looked.
pub(crate) struct Browser<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) client: Client,
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) language: &'static str,
}

pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Seen {
    pub(crate) fn goes_to(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.html);
        self.headers[LOCATION].to_str().unwrap()
    }

    pub(crate) fn says(&self, text: &str) {
        assert!(self.html.contains(text), "{text} is not in: {}", self.html);
    }

    /// The value of a hidden field.
    pub(crate) fn field(&self, name: &str) -> String {
        let rest = self.html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{name} in {}", self.html));
        rest.split('"').next().unwrap().to_owned()
    }
}

impl<'a> Browser<'a> {
    pub(crate) fn new(app: &'a TestApp, language: &'static str) -> Self {
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { app, client, cookies: Vec::new(), language }
    }

    pub(crate) async fn send(&mut self, request: reqwest::RequestBuilder) -> Seen {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let request = request.header("accept-language", self.language).header("cookie", cookies);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            assert!(text.contains("; Secure; HttpOnly; SameSite=Lax") && text.starts_with("__Host-"), "{text}");
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Seen { status, headers, html: response.text().await.unwrap() }
    }

    pub(crate) async fn open(&mut self, path: &str) -> Seen {
        let seen = self.send(self.client.get(format!("{}{path}", self.app.base))).await;
        if seen.status == StatusCode::OK {
            let policy = seen.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            // The one script is our own file; nothing stands in a page that could run.
            let scripts = seen.html.matches("<script").count() - seen.html.matches("<script type=\"application/ld+json\"").count();
            assert!(
                !seen.html.contains(" style=") && scripts == seen.html.matches("<script defer src=\"/assets/app-").count(),
                "{}",
                seen.html
            );
            assert!(!seen.html.contains(">page-") && !seen.html.contains("page-did-"), "a text is missing: {}", seen.html);
        }
        seen
    }

    /// A page, or something else that is read.
    pub(crate) async fn open_any(&mut self, path: &str) -> Seen {
        self.send(self.client.get(format!("{}{path}", self.app.base))).await
    }

    pub(crate) async fn post_from(&mut self, site: &str, path: &str, fields: &[(&str, &str)]) -> Seen {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.client.post(format!("{}{path}", self.app.base)).header("sec-fetch-site", site);
        self.send(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        self.post_from("same-origin", path, fields).await
    }

    pub(crate) async fn sign_in(&mut self, login: &str) {
        let seen = self.post("/sign-in", &[("login", login), ("password", PASSWORD), ("next", "/")]).await;
        assert_eq!(seen.goes_to(), "/");
    }
}
