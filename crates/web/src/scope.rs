//! What is known of a request before anybody is signed in: its id, its client, its language. Lives in the request's extensions.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::extract::{ConnectInfo, Request};
use http::request::Parts;
use http::{Extensions, HeaderMap, header};
use kernel::{Locale, RequestId};

use crate::auth::cookie_of;
use crate::extract::is_safe;
use crate::pages;
use crate::settings::Settings;

/// The cookie of the language that a reader has chosen in a browser.
pub(crate) const LANGUAGE_COOKIE: &str = "__Host-yunshi-language";

#[derive(Debug)]
struct Inner {
    request_id: RequestId,
    client: IpAddr,
    /// The path and query of a page that is read.
    page: Option<String>,
    is_page: bool,
    asked: Option<Locale>,
    reader: OnceLock<Locale>,
}

/// The circumstances of one request. Cheap to clone; every clone is the same request.
#[derive(Clone, Debug)]
pub struct Scope(Arc<Inner>);

impl Scope {
    /// The scope of a request with these headers.
    pub(crate) fn new(request_id: RequestId, request: &Request, settings: &Settings) -> Self {
        let headers = request.headers();
        let chosen =
            cookie_of(headers, LANGUAGE_COOKIE).and_then(|chosen| Locale::ALL.iter().copied().find(|locale| locale.word() == chosen));
        let preferred = || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).map(Locale::negotiate);
        let client = client(headers, request.extensions(), settings);
        let is_page = pages::is_page(request.uri().path());
        let page = request.uri().path_and_query().map(ToString::to_string).filter(|_| is_page && is_safe(request.method()));
        // A link may name the language, so that what reads no cookies, such as a search engine, finds every page in each.
        let linked = is_page.then(|| linked(request.uri().query()?)).flatten();
        let asked = linked.or(chosen).or_else(preferred);
        Self(Arc::new(Inner { request_id, client, page, is_page, asked, reader: OnceLock::new() }))
    }

    /// Whether the answer is for people to read.
    pub(crate) fn is_page(&self) -> bool {
        self.0.is_page
    }

    /// The path and query of the page, when one is read and nothing done.
    pub(crate) fn page(&self) -> Option<&str> {
        self.0.page.as_deref()
    }

    /// The scope that the outermost layer put into the request.
    pub(crate) fn of(parts: &Parts) -> Option<Self> {
        parts.extensions.get::<Self>().cloned()
    }

    /// What a person quotes when asking for help.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        self.0.request_id
    }

    /// The address that the request came from.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.0.client
    }

    /// The language to answer in: what the request asks for, else what its reader has chosen, else English.
    #[must_use]
    pub fn locale(&self) -> Locale {
        self.0.asked.or_else(|| self.0.reader.get().copied()).unwrap_or(Locale::En)
    }

    /// Notes the language that the signed-in reader has chosen.
    pub(crate) fn read_by(&self, locale: Locale) {
        // A second sign-in within one request is the same reader.
        let _ = self.0.reader.set(locale);
    }
}

/// The language that a link names: `?lang=zh-CN`.
fn linked(query: &str) -> Option<Locale> {
    let (_, named) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "lang")?;
    Locale::ALL.iter().copied().find(|locale| locale.word() == named)
}

/// The address a request came from: the peer's, or, behind a trusted proxy, the last address in `X-Forwarded-For` that no trusted proxy has.
/// An IPv6 client counts as its /64, the smallest network that is handed out.
fn client(headers: &HeaderMap, extensions: &Extensions, settings: &Settings) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |info| info.0.ip().to_canonical());
    network(if settings.trusts(peer) { forwarded(headers, settings).unwrap_or(peer) } else { peer })
}

fn forwarded(headers: &HeaderMap, settings: &Settings) -> Option<IpAddr> {
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    let hops = lines.iter().flat_map(|line| line.split(',')).collect::<Vec<_>>();
    // What stands left of the first address that is not one of our proxies was written by the client, and may be a lie.
    hops.into_iter().rev().map_while(|hop| hop.trim().parse::<IpAddr>().ok().map(|ip| ip.to_canonical())).find(|ip| !settings.trusts(*ip))
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let s = v6.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn client_of(peer: &str, forwarded_for: &str, trusted: &[&str]) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded_for.parse().unwrap());
        let trusted_proxies = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client(&headers, &extensions, &Settings { trusted_proxies, ..Settings::default() }).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_say_who_the_client_is() {
        for (peer, forwarded_for, trusted, expected) in [
            ("198.51.100.7", "203.0.113.9", &[][..], "198.51.100.7"),
            ("10.0.0.1", "203.0.113.9", &["10.0.0.0/8"][..], "203.0.113.9"),
            ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", &["10.0.0.0/8"][..], "203.0.113.9"),
            ("10.0.0.1", "nonsense", &["10.0.0.0/8"][..], "10.0.0.1"),
            ("2001:db8:1:2:3:4:5:6", "", &[][..], "2001:db8:1:2::"),
        ] {
            assert_eq!(client_of(peer, forwarded_for, trusted), expected, "{peer} {forwarded_for}");
        }
    }
}
