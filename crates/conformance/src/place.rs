//! Where a seller's server is: what may be asked of it depends on that.

use std::net::IpAddr;

use outbound::{Url, is_public};

use crate::plan::CannotRun;

/// Where a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine or in a private network.
    Near,
    /// Under a name.
    Named,
    /// Under a number.
    Numbered,
}

/// Where the server of an address is.
///
/// # Errors
/// When its name is unknown, or it is a public one without TLS.
pub(crate) async fn place_of(url: &Url) -> Result<Place, CannotRun> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let addresses: Vec<IpAddr> = match literal {
        Some(address) => vec![address],
        None => {
            let resolved = tokio::net::lookup_host((host, port)).await;
            resolved.map_err(|error| CannotRun::Unreachable(format!("{host}: {error}")))?.map(|address| address.ip()).collect()
        }
    };
    let is_near = addresses.iter().all(|address| !is_public(*address));
    match (is_near, url.scheme(), literal) {
        (true, ..) => Ok(Place::Near),
        (false, "https", None) => Ok(Place::Named),
        (false, "https", Some(_)) => Ok(Place::Numbered),
        (false, ..) => Err(CannotRun::PlainHttp),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    async fn place(url: &str) -> Result<Place, String> {
        place_of(&url.parse().unwrap()).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn plain_http_is_for_the_own_network() {
        for near in ["http://127.0.0.1:7070/x", "https://192.168.1.5/x", "http://[::1]/x", "http://localhost:7070/x"] {
            assert_eq!(place(near).await, Ok(Place::Near), "{near}");
        }
        assert_eq!(place("https://1.1.1.1/x").await, Ok(Place::Numbered));
        assert_eq!(place("https://[2606:4700::1111]/x").await, Ok(Place::Numbered));
        assert_eq!(place("http://1.1.1.1/x").await, Err(CannotRun::PlainHttp.to_string()));
    }
}
