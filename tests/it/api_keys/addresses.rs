//! Where a key works from.

use api::http::address::TrustedProxies;
use serde_json::json;
use tests::kit::{Answer, CONTACTS, Tenant, TestApp};

use super::{let_in, reader};

/// Asks as if through a proxy on this machine that has this to say.
async fn from(caller: &Tenant, forwarded: &str) -> Answer {
    let request = caller.request(reqwest::Method::GET, CONTACTS);
    Answer::to(request.header("x-forwarded-for", forwarded)).await
}

#[track_caller]
fn turned_away(answer: Answer) {
    let problem = answer.problem(403, "FORBIDDEN");
    assert_eq!(problem["error"], "The API key may not be used from this address");
}

#[tokio::test]
async fn a_key_works_from_its_networks_only_as_the_trusted_proxy_names_them() {
    let app = TestApp::configured(|config| {
        let loopback = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        config.proxies = TrustedProxies::new(loopback.to_vec());
    })
    .await;
    let acme = app.tenant("acme").await;
    let networks = json!({"allowedIps": ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"]});
    let (_, key) = reader(&acme, networks).await;
    for address in [
        "192.0.2.0",
        "192.0.2.255",
        "198.51.100.7",
        "2001:db8:ffff::1",
        "::ffff:192.0.2.9",
        "192.0.2.9:4711",
        "203.0.113.1, 192.0.2.9",
        "192.0.2.9, 127.0.0.1",
    ] {
        let_in(from(&key, address).await);
    }
    for address in [
        "192.0.3.0",
        "198.51.100.8",
        "2001:db9::1",
        "192.0.2.9, 203.0.113.1",
        "unknown",
        "127.0.0.1",
        "",
    ] {
        turned_away(from(&key, address).await);
    }
    turned_away(key.get(CONTACTS).await);
}

#[tokio::test]
async fn nobody_talks_its_way_in_without_a_trusted_proxy() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, elsewhere) = reader(&acme, json!({"allowedIps": ["192.0.2.0/24"]})).await;
    let (_, here) = reader(&acme, json!({"allowedIps": ["127.0.0.1"]})).await;
    turned_away(from(&elsewhere, "192.0.2.9").await);
    let_in(from(&here, "192.0.2.9").await);
}

#[tokio::test]
async fn a_wrong_secret_is_not_told_about_addresses() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, _) = reader(&acme, json!({"allowedIps": ["192.0.2.0/24"]})).await;
    let mut stranger = api::auth::api_key::generate().text.expose().clone();
    stranger.replace_range(9..17, shown["prefix"].as_str().unwrap());
    let guess = acme.with(tests::kit::Credential::ApiKey(stranger));
    super::unknown(guess.get(CONTACTS).await);
}
