//! Receivers with TLS: good ones and broken ones.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shared::webhook::target::TargetPolicy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::{Client, PATIENCE, Receiver, client, code, patient, post, read_request, status};
use crate::client::{Egress, Fault, Limits, Message, Roots, TlsProblem};

/// A self-signed certificate for 127.0.0.1, altered by `edit`, and its key.
pub(super) fn certificate(edit: fn(&mut CertificateParams)) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    edit(&mut params);
    (params.self_signed(&key).unwrap().der().clone(), key)
}

pub(super) fn acceptor(
    certificate: &CertificateDer<'static>,
    key: &KeyPair,
    alpn: &[u8],
) -> TlsAcceptor {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Answers one HTTP/1 request over TLS.
async fn secure(acceptor: TlsAcceptor) -> Receiver {
    Receiver::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.ok();
            stream.read_u8().await.ok();
        }
    })
    .await
}

/// A client for production, https only, that trusts one more certificate.
pub(super) fn trusting(certificate: &CertificateDer<'static>) -> Client {
    let policy = Arc::new(TargetPolicy::new(false, vec!["127.0.0.0/8".parse().unwrap()]));
    let roots = Roots(vec![certificate.clone()]);
    Client::new(policy, patient(), &Egress { roots, ..Egress::default() }).unwrap()
}

pub(super) fn https(receiver: &Receiver) -> String {
    format!("https://{}/", receiver.addr)
}

#[tokio::test]
async fn a_receiver_with_a_trusted_certificate_is_reached() {
    let (cert, key) = certificate(|_| ());
    let receiver = secure(acceptor(&cert, &key, b"http/1.1")).await;
    assert_eq!(status(&post(&trusting(&cert), &https(&receiver)).await), 200);
}

#[tokio::test]
async fn a_bad_certificate_is_a_tls_fault_that_says_what_is_wrong() {
    fn expired(params: &mut CertificateParams) {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    fn future(params: &mut CertificateParams) {
        params.not_before = date_time_ymd(3000, 1, 1);
    }
    fn renamed(params: &mut CertificateParams) {
        *params = CertificateParams::new(vec!["other.example.com".to_owned()]).unwrap();
    }
    for (edit, problem) in [
        (expired as fn(&mut CertificateParams), TlsProblem::Expired),
        (future, TlsProblem::NotValidYet),
        (renamed, TlsProblem::WrongName),
    ] {
        let (cert, key) = certificate(edit);
        let receiver = secure(acceptor(&cert, &key, b"http/1.1")).await;
        let exchange = post(&trusting(&cert), &https(&receiver)).await;
        assert_eq!(exchange.outcome, Err(Fault::TlsFailed(problem)));
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_not_trusted() {
    let (cert, key) = certificate(|_| ());
    let receiver = secure(acceptor(&cert, &key, b"http/1.1")).await;
    let exchange = post(&client(patient()), &https(&receiver)).await;
    assert_eq!(exchange.outcome, Err(Fault::TlsFailed(TlsProblem::UnknownIssuer)));
    assert_eq!(code(&exchange), "certificate_untrusted");
}

#[tokio::test]
async fn a_port_without_tls_is_a_tls_fault_whether_it_answers_or_closes() {
    let plain = Receiver::start(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        stream.read_u8().await.ok();
    })
    .await;
    let closing = Receiver::start(|_| async {}).await;
    for receiver in [plain, closing] {
        let exchange = post(&client(patient()), &https(&receiver)).await;
        assert_eq!(exchange.outcome, Err(Fault::TlsFailed(TlsProblem::Handshake)));
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_is_a_connect_timeout() {
    let receiver =
        Receiver::start(|mut stream| async move { while stream.read_u8().await.is_ok() {} }).await;
    let limits = Limits { connect: Duration::from_millis(300), ..patient() };
    let exchange = post(&client(limits), &https(&receiver)).await;
    assert_eq!(code(&exchange), "connect_timeout");
}

#[tokio::test]
async fn a_connection_beyond_its_age_is_made_anew() {
    let receiver = Receiver::answering(*b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    for (age, connections) in [(PATIENCE, 1), (Duration::ZERO, 3)] {
        let client = client(Limits { age, ..patient() });
        for _ in 0..2 {
            assert_eq!(status(&post(&client, &receiver.url()).await), 200);
        }
        assert_eq!(receiver.connections(), connections, "{age:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_reads_nothing_more_keeps_no_connection_of_ours() {
    let (certificate, key) = certificate(|_| ());
    let acceptor = acceptor(&certificate, &key, b"http/1.1");
    let receiver = Receiver::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(stream).await;
            std::future::pending::<()>().await;
            drop(stream);
        }
    })
    .await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let policy = Arc::new(TargetPolicy::new(false, vec!["127.0.0.0/8".parse().unwrap()]));
    let way = Egress { roots: Roots(vec![certificate]), ..Egress::default() };
    let limits = Limits { total: Duration::from_millis(500), ..patient() };
    let client = Client::new(policy, limits, &way).unwrap();
    let url = https(&receiver);
    // More than both ends' buffers hold.
    let body = Bytes::from(vec![b'x'; 32 * 1024 * 1024]);
    let message = Message { url: &url, identity: None, headers: HeaderMap::new(), body };
    assert_eq!(code(&client.post(message).await), "timeout");
    // The receiver's own task, and no more.
    let parted = async {
        while tasks() > before + 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, parted).await.expect("the connection is given up");
}
