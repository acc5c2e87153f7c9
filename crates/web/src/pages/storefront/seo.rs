//! What search engines and caches are told: heads of pages, the map of the site, and what may be kept.
//!
//! A page that is the same for every visitor may be kept for a minute, by browsers and by what stands between; with its tag (a digest of the
//! page) it is asked for again cheaply. Nothing of anybody who has signed in is kept.

use askama::Template;
use axum::body::to_bytes;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, VARY};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use kernel::Locale;
use market::catalog;
use market::page::PageRequest;
use sha2::{Digest, Sha256};

use super::first;
use crate::AppState;
use crate::auth::{Visitor, shows_cookie};
use crate::extract::Segment;
use crate::problem::{ApiError, ApiResult};
use crate::scope::Scope;

/// For so long a page for visitors may be kept unasked, seconds.
const KEPT_SECONDS: u32 = 60;
/// Addresses in one part of the map; the protocol of sitemaps takes 50,000.
const MAP_PAGE: i64 = 2_000;
/// Parts of the map. `[ours]`
const MAP_PAGES_MAX: usize = 500;

/// Where this marketplace is, as its visitor has found it: `https://market.example`.
pub(super) struct Origin(pub(super) String);

impl FromRequestParts<AppState> for Origin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        Ok(Self(origin(host)))
    }
}

/// Only on the machine itself is there no TLS: sessions need it everywhere else.
fn origin(host: &str) -> String {
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    let host = if plain && !host.is_empty() { host } else { "localhost" };
    let here =
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| host.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with(':')));
    format!("{}://{host}", if here { "http" } else { "https" })
}

/// What stands in the head of a page for those who read no further.
pub(super) struct Head {
    /// What the page says, in a sentence or two.
    pub(super) description: String,
    /// Its address, without what changes nothing about it.
    pub(super) canonical: String,
    /// The same page in each language, and without one.
    pub(super) alternates: Vec<(&'static str, String)>,
    /// `website` or `product`.
    pub(super) kind: &'static str,
}

/// The most characters of a description that anybody shows.
const DESCRIPTION_MAX: usize = 160;

impl Head {
    /// The head of the page at `path`, which begins with a slash and may have a query.
    pub(super) fn new(origin: &Origin, path: &str, description: &str, kind: &'static str, locale: Locale) -> Self {
        let base = format!("{}{path}", origin.0);
        let joint = if path.contains('?') { '&' } else { '?' };
        let in_language = |locale: Locale| format!("{base}{joint}lang={}", locale.word());
        let mut alternates: Vec<_> = Locale::ALL.iter().map(|locale| (locale.word(), in_language(*locale))).collect();
        alternates.push(("x-default", base.clone()));
        let mut words = description.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = words.char_indices().nth(DESCRIPTION_MAX) {
            words.truncate(end);
            words.push('…');
        }
        Self { description: words, canonical: in_language(locale), alternates, kind }
    }
}

/// Facts of a page for programs, as JSON in HTML: nothing in it can end the element that it stands in.
pub(super) fn json_ld(facts: &serde_json::Value) -> String {
    facts.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A page that may be kept, where nobody in particular reads it.
pub(super) struct Public<T> {
    pub(super) page: T,
    pub(super) asked: Asked,
}

/// What a request says about keeping.
pub(super) struct Asked {
    is_visitor: bool,
    known: Option<String>,
}

impl FromRequestParts<AppState> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        let known = parts.headers.get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Ok(Self { is_visitor: !shows_cookie(&parts.headers), known })
    }
}

impl<T: Template> IntoResponse for Public<T> {
    fn into_response(self) -> Response {
        if !self.asked.is_visitor {
            return super::super::Page(self.page).into_response();
        }
        match self.page.render() {
            Ok(html) => kept(html, "text/html; charset=utf-8", self.asked.known.as_deref()),
            Err(fault) => ApiError::Broken(Box::new(fault)).into_response(),
        }
    }
}

/// Whether a browser's `If-None-Match` names this tag (RFC 9110 §13.1.2; weak or strong is the same for reading).
fn names(known: &str, tag: &str) -> bool {
    known.split(',').any(|one| matches!(one.trim(), "*") || one.trim().trim_start_matches("W/") == tag)
}

fn kept(body: String, kind: &'static str, known: Option<&str>) -> Response {
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..12]));
    let mut headers = HeaderMap::new();
    let mut put = |name, value: &str| value.parse().map(|value| headers.insert(name, value)).map(drop);
    let settings = [
        (CACHE_CONTROL, format!("public, max-age={KEPT_SECONDS}")),
        (VARY, "Cookie, Accept-Language".to_owned()),
        (ETAG, tag.clone()),
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_SECURITY_POLICY, super::super::PAGE_POLICY.to_owned()),
    ];
    for (name, value) in settings {
        if put(name, &value).is_err() {
            return ApiError::broken("a header of a page cannot be written").into_response();
        }
    }
    if known.is_some_and(|known| names(known, &tag)) {
        headers.remove(CONTENT_TYPE);
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, body).into_response()
}

/// Gives visitors a page as it was made before, while the catalogue has not changed; whoever has signed in, and whoever asks for something of
/// their own choice, gets it made for them.
pub(super) async fn remembered(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let Some((key, scope)) = key(&request) else { return next.run(request).await };
    let known = request.headers().get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let mark = match app.shelf_mark().await {
        Ok(mark) => mark,
        Err(fault) => return fault.into_response(),
    };
    if let Some(page) = app.shelf().page(&key, mark) {
        if let Err(refusal) = app.limits().visit(scope.client()) {
            return ApiError::from(refusal).into_response();
        }
        let tag = page.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        if known.is_some_and(|known| names(&known, tag)) {
            let mut headers = page.headers;
            headers.remove(CONTENT_TYPE);
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        return (page.headers, page.body).into_response();
    }
    let (parts, body) = next.run(request).await.into_parts();
    if parts.status != StatusCode::OK || !parts.headers.contains_key(ETAG) {
        return Response::from_parts(parts, body);
    }
    match to_bytes(body, usize::MAX).await {
        Ok(bytes) => {
            app.shelf().keep(key, mark, parts.headers.clone(), bytes.clone());
            Response::from_parts(parts, bytes.into())
        }
        Err(fault) => ApiError::Broken(Box::new(fault)).into_response(),
    }
}

/// What tells one visitor's page from another: where, in which language, at which of our addresses. None for what is not the same for all.
fn key(request: &Request) -> Option<(String, Scope)> {
    const QUERY_MAX: usize = 12;
    let scope = request.extensions().get::<Scope>()?.clone();
    let headers = request.headers();
    let query = request.uri().query().unwrap_or_default();
    let is_plain = query.is_empty() || (query.starts_with("lang=") && query.len() <= QUERY_MAX);
    let is_visitor = !shows_cookie(headers) && !headers.contains_key(AUTHORIZATION);
    let host = headers.get(HOST)?.to_str().ok()?;
    let is_kept = request.method() == Method::GET && is_plain && is_visitor && host.len() < 100;
    is_kept.then(|| (format!("{host} {} {}?{query}", scope.locale().word(), request.uri().path()), scope))
}

/// The map of the site: where its parts are. The first has what is always there.
pub(super) async fn sitemap(State(app): State<AppState>, _: Visitor, origin: Origin, asked: Asked) -> ApiResult<Response> {
    let mut parts = vec!["first".to_owned()];
    let mut page = first(MAP_PAGE);
    // A part begins after the last product of the part before it.
    loop {
        let asked = page.clone();
        let next = app.read(async move |tx| Ok(catalog::shelf_page(tx, &asked).await?.next)).await?;
        let Some(next) = next.filter(|_| parts.len() < MAP_PAGES_MAX) else { break };
        parts.push(next.clone());
        page.after = next;
    }
    let lines: String =
        parts.iter().map(|part| format!("<sitemap><loc>{}/sitemaps/{part}.xml</loc></sitemap>\n", escaped(&origin.0))).collect();
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{lines}</sitemapindex>\n"
    );
    Ok(kept(xml, "application/xml; charset=utf-8", asked.known.as_deref()))
}

/// A part of the map: every page in it, in each language.
pub(super) async fn sitemap_page(
    State(app): State<AppState>,
    _: Visitor,
    origin: Origin,
    asked: Asked,
    Segment(part): Segment<String>,
) -> ApiResult<Response> {
    let unknown = || ApiError::refused(kernel::Code::NotFound);
    let part = part.strip_suffix(".xml").ok_or_else(unknown)?;
    let is_first = part == "first";
    let after = if is_first { String::new() } else { part.parse::<kernel::ProductId>().map_err(|_| unknown())?.to_string() };
    let page = PageRequest { after, limit: MAP_PAGE };
    let found = app.read(async move |tx| catalog::shelf_page(tx, &page).await).await?;
    let mut paths = Vec::new();
    if is_first {
        paths.push("/".to_owned());
        let all = catalog::categories::TREE.iter().flat_map(|branch| std::iter::once(&branch.category).chain(branch.leaves));
        paths.extend(all.map(|category| format!("/categories/{}", category.slug)));
    }
    let mut sellers: Vec<_> = found.items.iter().map(|entry| entry.seller_id).collect();
    sellers.sort_unstable();
    sellers.dedup();
    paths.extend(sellers.iter().map(|seller| format!("/sellers/{seller}")));
    paths.extend(found.items.iter().map(|entry| format!("/products/{}", entry.id)));
    let lines: String = paths.iter().map(|path| map_line(&origin, path)).collect();
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
         xmlns:xhtml=\"http://www.w3.org/1999/xhtml\">\n{lines}</urlset>\n"
    );
    Ok(kept(xml, "application/xml; charset=utf-8", asked.known.as_deref()))
}

fn map_line(origin: &Origin, path: &str) -> String {
    let head = Head::new(origin, path, "", "website", Locale::En);
    let link =
        |(language, href): &(&str, String)| format!("<xhtml:link rel=\"alternate\" hreflang=\"{language}\" href=\"{}\"/>", escaped(href));
    let links: String = head.alternates.iter().map(link).collect();
    format!("<url><loc>{}</loc>{links}</url>\n", escaped(&format!("{}{path}", origin.0)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// What search engines should leave alone: what is somebody's own, and lists that the map has better.
pub(super) async fn robots(origin: Origin) -> Response {
    let own = ["/account", "/api/", "/buyer", "/cart", "/checkout", "/compare", "/operator", "/search", "/seller/", "/sign-in", "/sign-up"];
    let lines: String = own.iter().map(|path| format!("Disallow: {path}\n")).collect();
    let text = format!("User-agent: *\n{lines}\nSitemap: {}/sitemap.xml\n", origin.0);
    ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_the_host_and_nothing_else() {
        for (host, expected) in [
            ("market.example", "https://market.example"),
            ("localhost:8080", "http://localhost:8080"),
            ("127.0.0.1:1", "http://127.0.0.1:1"),
            ("localhost.evil.example", "https://localhost.evil.example"),
            ("a\"><script>", "http://localhost"),
            ("", "http://localhost"),
        ] {
            assert_eq!(origin(host), expected);
        }
    }

    #[test]
    fn facts_for_programs_cannot_end_their_element() {
        let text = json_ld(&serde_json::json!({ "name": "</script><script>alert(1)</script>&" }));
        assert!(!text.contains(['<', '>', '&']), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).map(|v| v["name"].as_str().map(str::len)).ok(), Some(Some(35)));
    }

    #[test]
    fn a_tag_is_known_in_every_form_that_browsers_send_it() {
        for (known, yes) in [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false), ("a", false)] {
            assert_eq!(names(known, "\"a\""), yes, "{known}");
        }
    }
}
