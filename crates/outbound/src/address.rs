//! Which addresses may be called.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Longest URL that is called (ours).
const URL_MAX_BYTES: usize = 4096;

/// Which network addresses may be called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Globally routable addresses only.
    #[default]
    PublicOnly,
    /// Those and the own machine, for development and tests.
    AllowLoopback,
    /// Any, for a marketplace inside a private network.
    AllowAll,
}

/// Which schemes may be called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SchemePolicy {
    /// `https` only (spec: protocol §0).
    #[default]
    HttpsOnly,
    /// `http` too, for development and tests.
    AllowHttp,
}

/// Where calls may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which network addresses.
    pub addresses: AddressPolicy,
    /// Which schemes.
    pub schemes: SchemePolicy,
}

/// Why a URL is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefused {
    /// Not a URL.
    #[error("the address is not a URL: {0}")]
    Malformed(String),
    /// Too long.
    #[error("the address is longer than {URL_MAX_BYTES} bytes")]
    TooLong,
    /// A scheme that the policy does not allow.
    #[error("the scheme {0} is not allowed, use https")]
    Scheme(String),
    /// A user name or password in the URL.
    #[error("the address must not contain a user name or password")]
    Credentials,
    /// A literal address that the policy does not allow.
    #[error("the address {0} is not public, register a public domain name")]
    Address(IpAddr),
}

impl UrlRefused {
    /// A stable word for translations.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooLong => "too-long",
            Self::Scheme(_) => "scheme",
            Self::Credentials => "credentials",
            Self::Address(_) => "not-public",
        }
    }
}

/// Checks a URL before it is registered or called. A name is not resolved here; its addresses are checked on every call.
///
/// # Errors
/// When the URL is malformed, carries credentials, or names a scheme or literal address that the policy does not allow.
pub fn check_url(url: &str, policy: Policy) -> Result<Url, UrlRefused> {
    if url.len() > URL_MAX_BYTES {
        return Err(UrlRefused::TooLong);
    }
    let parsed = Url::parse(url).map_err(|error| UrlRefused::Malformed(error.to_string()))?;
    match (parsed.scheme(), policy.schemes) {
        ("https", _) | ("http", SchemePolicy::AllowHttp) => {}
        (other, _) => return Err(UrlRefused::Scheme(other.to_owned())),
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(UrlRefused::Credentials);
    }
    let literal = match parsed.host() {
        None => return Err(UrlRefused::Malformed("it has no host".to_owned())),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
    };
    match literal {
        Some(address) if !policy.addresses.allows(address) => Err(UrlRefused::Address(address)),
        _ => Ok(parsed),
    }
}

impl AddressPolicy {
    fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::PublicOnly => is_public(address),
            Self::AllowLoopback => is_public(address) || address.is_loopback(),
            Self::AllowAll => true,
        }
    }
}

/// Whether an address is globally routable (by the special-purpose registries of IANA).
///
/// Addresses of IPv6 that stand for one of IPv4 (mapped, NAT64, 6to4, Teredo) are never public: what they reach depends
/// on the network.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = match first {
        // "This network", private, loopback, multicast and reserved up to broadcast.
        0 | 10 | 127 | 224..=255 => true,
        // Shared by carriers: 100.64.0.0/10.
        100 => (64..128).contains(&second),
        // Link-local, with the metadata service of clouds.
        169 => second == 254,
        172 => (16..32).contains(&second),
        // Protocol assignments, documentation, 6to4 relays, private.
        192 => matches!((second, third), (0, 0 | 2) | (88, 99) | (168, _)),
        // Benchmarking, documentation.
        198 => matches!((second, third), (18 | 19, _) | (51, 100)),
        203 => (second, third) == (0, 113),
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Everything routable lies in 2000::/3; loopback, mapped, NAT64, unique local, link-local and multicast do not.
    let is_global_unicast = (0x2000..0x4000).contains(&first);
    let is_special = match first {
        // 2001::/23 protocol assignments with Teredo and benchmarking; 2001:db8::/32 documentation.
        0x2001 => second < 0x0200 || second == 0x0db8,
        // 6to4.
        0x2002 => true,
        // 3fff::/20 documentation.
        0x3fff => second < 0x1000,
        _ => false,
    };
    is_global_unicast && !is_special
}

/// A name whose addresses are all refused. Travels through the HTTP client's errors and is found again there.
#[derive(Debug)]
pub(crate) struct NameRefused {
    pub(crate) address: IpAddr,
}

impl fmt::Display for NameRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the name resolves to {}, which is not public", self.address)
    }
}

impl std::error::Error for NameRefused {}

/// Resolves names with the system's resolver and lets through only what the policy allows.
#[derive(Debug)]
pub(crate) struct GuardedResolver {
    pub(crate) policy: AddressPolicy,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy;
        Box::pin(async move {
            let resolved: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = resolved.iter().copied().filter(|address| policy.allows(address.ip())).collect();
            match resolved.first() {
                Some(first) if allowed.is_empty() => Err(NameRefused { address: first.ip() }.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}
