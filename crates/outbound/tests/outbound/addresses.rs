//! Where calls may go.

use std::net::IpAddr;

use outbound::{AddressPolicy, CallFailure, Client, Policy, SchemePolicy, Settings, UrlRefused, check_url, is_public};

use crate::server::{Server, local_client};

const PUBLIC_HTTP: Policy = Policy { addresses: AddressPolicy::PublicOnly, schemes: SchemePolicy::AllowHttp };

#[test]
fn only_globally_routable_addresses_are_public() {
    let refused = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::8.8.8.8",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
    ];
    for address in refused {
        assert!(!is_public(address.parse::<IpAddr>().unwrap()), "{address}");
    }
    let allowed = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "169.253.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "192.167.0.1",
        "198.17.0.1",
        "198.20.0.1",
        "203.0.114.1",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2400:3200::1",
        "2a00::1",
        "3ffe::1",
    ];
    for address in allowed {
        assert!(is_public(address.parse::<IpAddr>().unwrap()), "{address}");
    }
}

#[test]
fn an_address_is_checked_when_it_is_registered() {
    let check = |url: &str| check_url(url, Policy::default());
    assert_eq!(check("https://isv.example/produce?a=1").unwrap().as_str(), "https://isv.example/produce?a=1");
    assert_eq!(check("https://8.8.8.8/").unwrap().as_str(), "https://8.8.8.8/");
    assert_eq!(check("http://isv.example/"), Err(UrlRefused::Scheme("http".to_owned())));
    assert_eq!(check("file:///etc/passwd"), Err(UrlRefused::Scheme("file".to_owned())));
    assert_eq!(check("https://user@isv.example/"), Err(UrlRefused::Credentials));
    assert_eq!(check("https://:secret@isv.example/"), Err(UrlRefused::Credentials));
    assert!(matches!(check("isv.example/produce"), Err(UrlRefused::Malformed(_))));
    assert!(matches!(check("https://"), Err(UrlRefused::Malformed(_))));
    assert_eq!(check(&format!("https://isv.example/{}", "x".repeat(5000))), Err(UrlRefused::TooLong));
    // All of them are 127.0.0.1 in disguise.
    for host in ["127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "127.0.0.1.", "%3127.0.0.1", "１２７.0.0.1"] {
        assert_eq!(check(&format!("https://{host}/")), Err(UrlRefused::Address("127.0.0.1".parse().unwrap())), "{host}");
    }
    assert_eq!(check("https://[::ffff:127.0.0.1]/"), Err(UrlRefused::Address("::ffff:127.0.0.1".parse().unwrap())));
}

#[test]
fn a_private_network_can_be_allowed() {
    let loopback = Policy { addresses: AddressPolicy::AllowLoopback, ..Policy::default() };
    assert!(check_url("https://[::1]/", loopback).is_ok());
    assert!(check_url("https://10.0.0.1/", loopback).is_err());
    let all = Policy { addresses: AddressPolicy::AllowAll, ..Policy::default() };
    assert!(check_url("https://10.0.0.1/", all).is_ok());
}

#[tokio::test]
async fn a_call_to_a_private_address_never_connects() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let public = Client::new(Settings { policy: PUBLIC_HTTP, ..Settings::default() }).unwrap();
    let port = server.port;
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{port}/");
        let refused = public.post_json(&url, "{}".to_owned(), &[]).await.unwrap_err().failure;
        let CallFailure::AddressRefused { address } = refused else { panic!("{host}: {refused:?}") };
        assert!(address.is_loopback());
    }
    assert!(server.log.lock().await.is_empty());

    let by_name = format!("http://localhost:{port}/");
    local_client().post_json(&by_name, "{}".to_owned(), &[]).await.unwrap();
    assert_eq!(server.log.lock().await.len(), 1);
}

#[tokio::test]
async fn a_refused_url_is_refused_in_every_call() {
    let client = Client::new(Settings::default()).unwrap();
    let refused = |url: &'static str| {
        let client = client.clone();
        async move { client.post_json(url, "{}".to_owned(), &[]).await.unwrap_err().failure }
    };
    assert_eq!(refused("http://isv.example/").await, CallFailure::BadUrl(UrlRefused::Scheme("http".to_owned())));
    assert_eq!(refused("https://a:b@isv.example/").await, CallFailure::BadUrl(UrlRefused::Credentials));
    let metadata = CallFailure::AddressRefused { address: "169.254.169.254".parse().unwrap() };
    assert_eq!(refused("https://169.254.169.254/latest/meta-data").await, metadata);
}
