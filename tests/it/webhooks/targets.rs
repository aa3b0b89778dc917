//! Where webhooks may point: nowhere inside (requirement W-11). `shared` has the long list of disguises.

use serde_json::json;
use tests::kit::{TestApp, WEBHOOKS};

use super::{at, sample};

const ADDRESS: &str = "Must not point to a private or reserved address";
const NAME: &str = "Must not point to a local or internal name";

#[tokio::test]
async fn an_address_inside_the_operators_network_is_refused_when_created_and_when_changed() {
    let app = TestApp::strict().await;
    let acme = app.tenant("acme").await;
    let webhook = acme.get(&at(&sample(&acme).await)).await.ok();
    for (url, fault) in [
        ("http://example.com/hook", "Must use https"),
        ("ftp://example.com/hook", "Must use https"),
        ("javascript:alert(1)", "Must use https"),
        ("https://user:pass@example.com/", "Must not contain a user name or password"),
        ("https://example.com:22/", "Must use port 443 or a port from 1024 up"),
        ("example.com/hook", "Must be a valid absolute URL"),
        ("/hook", "Must be a valid absolute URL"),
        ("", "Must be a valid absolute URL"),
        ("https://", "Must be a valid absolute URL"),
        ("https://localhost/", NAME),
        ("https://api.localhost:8443/", NAME),
        ("https://metadata.google.internal/", NAME),
        ("https://redis/", NAME),
        ("https://127.0.0.1/", ADDRESS),
        ("https://127.1/", ADDRESS),
        ("https://2130706433/", ADDRESS),
        ("https://0x7f.1/", ADDRESS),
        ("https://0.0.0.0/", ADDRESS),
        ("https://10.0.0.1/", ADDRESS),
        ("https://172.16.0.1/", ADDRESS),
        ("https://192.168.0.1/", ADDRESS),
        ("https://169.254.169.254/latest/meta-data/", ADDRESS),
        ("https://100.64.0.1/", ADDRESS),
        ("https://[::1]/", ADDRESS),
        ("https://[::ffff:10.0.0.1]/", ADDRESS),
        ("https://[fd00:ec2::254]/", ADDRESS),
        ("https://[64:ff9b::a00:1]/", ADDRESS),
        ("https://①②⑦.⓪.⓪.①/", ADDRESS),
    ] {
        let details = json!({"url": fault});
        acme.post(WEBHOOKS, json!({"url": url, "events": ["*"]})).await.invalid(&details);
        acme.put(&at(&webhook), json!({"url": url})).await.invalid(&details);
    }
    assert_eq!(acme.get(WEBHOOKS).await.page().items, [webhook]);
}

#[tokio::test]
async fn a_public_address_is_kept_in_its_normal_form() {
    let app = TestApp::strict().await;
    let acme = app.tenant("acme").await;
    for (given, kept) in [
        ("HTTPS://Hooks.Example.COM:443/In?a=1#part", "https://hooks.example.com/In?a=1"),
        ("  https://example.com  ", "https://example.com/"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://93.184.216.34/", "https://93.184.216.34/"),
        ("https://example.com/a/../b", "https://example.com/b"),
    ] {
        let webhook = acme.post(WEBHOOKS, json!({"url": given, "events": ["*"]})).await.created();
        assert_eq!(webhook["url"], kept);
    }
}

#[tokio::test]
async fn a_url_has_at_most_2048_characters() {
    let app = TestApp::strict().await;
    let acme = app.tenant("acme").await;
    let url = |length: usize| {
        format!("https://example.com/{}", "a".repeat(length - "https://example.com/".len()))
    };
    let longest = acme.post(WEBHOOKS, json!({"url": url(2048), "events": ["*"]})).await.created();
    assert_eq!(longest["url"], url(2048));
    let body = json!({"url": url(2049), "events": ["*"]});
    acme.post(WEBHOOKS, body)
        .await
        .invalid(&json!({"url": "Must be at most 2048 characters long"}));
}

#[tokio::test]
async fn an_operator_may_exempt_networks_and_allow_plain_http() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for url in [
        "http://127.0.0.1:9/hook",
        "http://localhost:9000/hook",
        "http://[::1]:9/hook",
        "http://example.com/hook",
    ] {
        let webhook = acme.post(WEBHOOKS, json!({"url": url, "events": ["*"]})).await.created();
        assert_eq!(webhook["url"], url);
    }
    for (url, fault) in
        [("http://10.0.0.1/", ADDRESS), ("ftp://127.0.0.1/", "Must use https or http")]
    {
        acme.post(WEBHOOKS, json!({"url": url, "events": ["*"]}))
            .await
            .invalid(&json!({"url": fault}));
    }
}
