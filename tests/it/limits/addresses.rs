//! Whose address counts.

use api::http::address::TrustedProxies;
use reqwest::Method;
use tests::kit::{Answer, CONTACTS, Database, Program, TestApp};

use super::{limited, stranger};

/// This machine is a proxy of ours.
pub fn loopback() -> TrustedProxies {
    TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()])
}

#[tokio::test]
async fn a_stranger_cannot_choose_its_address() {
    let app = TestApp::configured(limited(&[("RATE_LIMIT_READ", "1/15m")])).await;
    stranger(&app, "198.51.100.1").await.problem(401, "UNAUTHORIZED");
    stranger(&app, "198.51.100.2").await.problem(429, "RATE_LIMITED");
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_request_it_is() {
    let limits = limited(&[("RATE_LIMIT_READ", "1/15m")]);
    let app = TestApp::configured(|config| {
        limits(config);
        config.proxies = loopback();
    })
    .await;
    stranger(&app, "198.51.100.1").await.problem(401, "UNAUTHORIZED");
    stranger(&app, "198.51.100.2").await.problem(401, "UNAUTHORIZED");
    // What the client itself wrote in front gains nothing, nor does a spelling.
    stranger(&app, "203.0.113.9, 198.51.100.1").await.problem(429, "RATE_LIMITED");
    stranger(&app, "::ffff:198.51.100.1").await.problem(429, "RATE_LIMITED");
    stranger(&app, "2001:db8:1:2::1").await.problem(401, "UNAUTHORIZED");
    stranger(&app, "2001:db8:1:2::2").await.problem(429, "RATE_LIMITED");
}

#[tokio::test]
async fn the_program_knows_its_peers_and_believes_the_proxies_it_is_told() {
    let database = Database::migrated().await;
    let url = database.app_url();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |api: &Program, from: &str| {
        let request = http.request(Method::GET, format!("{}{CONTACTS}", api.url()));
        Answer::to(request.header("x-forwarded-for", from)).await.status.as_u16()
    };
    let own = ("RATE_LIMIT_READ", "1/24h");
    let behind = Program::api(&url, &[own, ("TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.0/8")]).await;
    assert_eq!(ask(&behind, "198.51.100.1").await, 401);
    assert_eq!(ask(&behind, "198.51.100.2").await, 401);
    assert_eq!(ask(&behind, "198.51.100.1").await, 429);
    let exposed = Program::api(&url, &[own]).await;
    assert_eq!(ask(&exposed, "198.51.100.1").await, 401);
    assert_eq!(ask(&exposed, "198.51.100.2").await, 429);
}
