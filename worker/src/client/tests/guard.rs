//! What the network guard refuses, seen from the whole client.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;

use super::{
    PATIENCE, Receiver, client, client_with, code, guarded, lenient, patient, post, post_to, status,
};
use crate::client::{Client, Egress, Limits, Lookup};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// DNS that gives every name the same addresses.
fn answering(addrs: &[&str]) -> Lookup {
    let addrs: Vec<SocketAddr> =
        addrs.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
    Lookup::new(move |_| std::future::ready(Ok(addrs.clone())))
}

fn named(receiver: &Receiver) -> String {
    format!("http://hooks.example.com:{}/", receiver.addr.port())
}

#[tokio::test]
async fn a_literal_loopback_address_is_blocked_before_any_connection() {
    let receiver = Receiver::answering(OK).await;
    let client = Client::new(guarded(), patient(), &Egress::default()).unwrap();
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "localhost"] {
        let url = format!("http://{host}:{}/", receiver.addr.port());
        let exchange = post(&client, &url).await;
        assert_eq!(code(&exchange), "url_blocked", "{url}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn plain_http_is_blocked_unless_allowed() {
    let receiver = Receiver::answering(OK).await;
    let policy = super::TargetPolicy::new(false, vec!["127.0.0.0/8".parse().unwrap()]);
    let client = Client::new(Arc::new(policy), patient(), &Egress::default()).unwrap();
    assert_eq!(code(&post(&client, &receiver.url()).await), "url_blocked");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn text_that_is_no_url_is_blocked() {
    assert_eq!(code(&post(&client(patient()), "not a url").await), "url_blocked");
}

#[tokio::test]
async fn a_name_that_resolves_to_loopback_is_blocked_before_any_connection() {
    let receiver = Receiver::answering(OK).await;
    for addrs in [&["127.0.0.1"][..], &["1.1.1.1", "127.0.0.1"], &["::ffff:127.0.0.1"]] {
        let client = client_with(guarded(), patient(), answering(addrs));
        let exchange = post(&client, &named(&receiver)).await;
        assert_eq!(code(&exchange), "address_blocked", "{addrs:?}");
        let message = exchange.outcome.unwrap_err().to_string();
        assert!(!message.contains("127"), "{message}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_name_that_resolves_to_an_exempt_address_is_reached_at_the_port_of_the_url() {
    let receiver = Receiver::answering(OK).await;
    let client = client_with(lenient(), patient(), answering(&["127.0.0.1"]));
    assert_eq!(status(&post(&client, &named(&receiver)).await), 200);
}

#[tokio::test]
async fn localhost_is_reached_through_the_systems_resolver_where_loopback_is_exempt() {
    let receiver = Receiver::answering(OK).await;
    let url = format!("http://localhost:{}/", receiver.addr.port());
    assert_eq!(status(&post(&client(patient()), &url).await), 200);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_dns_fault() {
    let failing = Lookup::new(|_| std::future::ready(Err(io::Error::other("no such host"))));
    for lookup in [failing, answering(&[])] {
        let client = client_with(lenient(), patient(), lookup);
        assert_eq!(code(&post(&client, "http://hooks.example.com/").await), "dns_failed");
    }
}

#[tokio::test]
async fn a_lookup_that_hangs_is_under_both_time_limits() {
    let short = Duration::from_millis(300);
    for (connect, total, expected) in
        [(short, PATIENCE, "connect_timeout"), (PATIENCE, short, "timeout")]
    {
        let hanging = Lookup::new(|_| std::future::pending());
        let limits = Limits { connect, total, ..Limits::default() };
        let client = client_with(lenient(), limits, hanging);
        let exchange = post(&client, "http://hooks.example.com/").await;
        assert_eq!(code(&exchange), expected);
        assert!(exchange.total >= short && exchange.total < PATIENCE, "{exchange:?}");
    }
}

/// Runs itself in a process of its own, because the environment belongs to the whole process.
#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    const CHILD: &str = "LIAISON_TEST_BEHIND_A_PROXY";
    const NAME: &str = "client::tests::guard::a_proxy_in_the_environment_is_not_used";
    if std::env::var_os(CHILD).is_some() {
        assert_eq!(status(&post_to(&Receiver::answering(OK).await).await), 200);
        return;
    }
    let proxy = Receiver::answering("HTTP/1.1 502 Proxied\r\nContent-Length: 0\r\n\r\n").await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", NAME]).env(CHILD, "1").stdout(Stdio::piped());
    for variable in ["http_proxy", "https_proxy", "all_proxy"] {
        child.env(variable, format!("http://{}", proxy.addr));
        child.env(variable.to_uppercase(), format!("http://{}", proxy.addr));
    }
    for variable in ["no_proxy", "NO_PROXY", "REQUEST_METHOD"] {
        child.env_remove(variable);
    }
    let output = child.output().await.unwrap();
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output_text.contains("1 passed"), "{output_text}");
    assert_eq!(proxy.connections(), 0);
}
