//! Receivers with TLS: good ones, broken ones, and HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shared::webhook::target::TargetPolicy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{BODY, Client, PATIENCE, Receiver, client, code, patient, post, read_request, status};
use crate::client::{Fault, Limits, Message, Roots, TlsProblem, WayOut};

/// A self-signed certificate for 127.0.0.1, altered by `edit`, and its key.
fn certificate(edit: fn(&mut CertificateParams)) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    edit(&mut params);
    (params.self_signed(&key).unwrap().der().clone(), key)
}

fn acceptor(certificate: &CertificateDer<'static>, key: &KeyPair, alpn: &[u8]) -> TlsAcceptor {
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
fn trusting(certificate: &CertificateDer<'static>) -> Client {
    let policy = Arc::new(TargetPolicy::new(false, vec!["127.0.0.0/8".parse().unwrap()]));
    let roots = Roots(vec![certificate.clone()]);
    Client::new(policy, patient(), &WayOut { roots, ..WayOut::default() }).unwrap()
}

fn https(receiver: &Receiver) -> String {
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

/// What an HTTP/2 receiver does with a request.
#[derive(Clone, Copy)]
enum Reaction {
    Answer,
    Reset,
    Refuse,
    /// Answers after so long.
    Late(Duration),
    HeaderFlood,
}

/// What is done on each connection, by its number from zero.
type Plan = fn(usize) -> Reaction;

async fn http2(acceptor: TlsAcceptor, plan: Plan) -> Receiver {
    let made = AtomicUsize::new(0);
    Receiver::start(move |stream| {
        let (acceptor, number) = (acceptor.clone(), made.fetch_add(1, Ordering::SeqCst));
        async move { serve(acceptor.accept(stream).await.unwrap(), plan(number)).await }
    })
    .await
}

async fn serve(stream: TlsStream<TcpStream>, reaction: Reaction) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let mut head = http::Response::new(());
        match reaction {
            Reaction::Refuse => {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
                continue;
            }
            Reaction::Answer => {}
            Reaction::Late(late) => tokio::time::sleep(late).await,
            Reaction::Reset => {
                respond.send_reset(h2::Reason::INTERNAL_ERROR);
                continue;
            }
            Reaction::HeaderFlood => {
                let value = "x".repeat(1 << 20).parse().unwrap();
                head.headers_mut().insert("x-flood", value);
            }
        }
        if let Ok(mut body) = respond.send_response(head, false) {
            body.send_data(Bytes::from_static(b"h2"), true).ok();
        }
    }
}

#[tokio::test]
async fn http2_is_spoken_where_offered_and_twenty_posts_share_one_connection() {
    let (cert, key) = certificate(|_| ());
    let receiver = http2(acceptor(&cert, &key, b"h2"), |_| Reaction::Answer).await;
    let client = trusting(&cert);
    for _ in 0..20 {
        let exchange = post(&client, &https(&receiver)).await;
        assert_eq!(status(&exchange), 200);
        assert_eq!(exchange.excerpt.unwrap(), "h2");
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn faults_of_http2_have_the_same_codes() {
    let (cert, key) = certificate(|_| ());
    let faults: [(Plan, _); 2] = [
        (|_| Reaction::Reset, "connection_reset"),
        (|_| Reaction::HeaderFlood, "invalid_response"),
    ];
    for (plan, expected) in faults {
        let receiver = http2(acceptor(&cert, &key, b"h2"), plan).await;
        assert_eq!(code(&post(&trusting(&cert), &https(&receiver)).await), expected);
    }
}

#[tokio::test]
async fn what_a_receiver_has_not_looked_at_is_sent_again_at_once_but_not_for_ever() {
    let (cert, key) = certificate(|_| ());
    let receiver = http2(acceptor(&cert, &key, b"h2"), |number| {
        if number == 0 { Reaction::Refuse } else { Reaction::Answer }
    })
    .await;
    assert_eq!(status(&post(&trusting(&cert), &https(&receiver)).await), 200);
    let receiver = http2(acceptor(&cert, &key, b"h2"), |_| Reaction::Refuse).await;
    assert_eq!(code(&post(&trusting(&cert), &https(&receiver)).await), "connection_reset");
}

#[tokio::test]
async fn a_connection_that_ends_in_good_order_fails_no_request_that_came_behind_its_last() {
    // The server's settings, and that it ends: 0 is the last stream that it has looked at, and nothing is wrong.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (cert, key) = certificate(|_| ());
    let acceptor = acceptor(&cert, &key, b"h2");
    let made = Arc::new(AtomicUsize::new(0));
    let receiver = Receiver::start(move |stream| {
        let (acceptor, first) = (acceptor.clone(), made.fetch_add(1, Ordering::SeqCst) == 0);
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            if !first {
                return serve(stream, Reaction::Answer).await;
            }
            stream.write_all(&SETTINGS).await.unwrap();
            let mut seen = Vec::new();
            while !seen.windows(BODY.len()).any(|bytes| bytes == BODY) {
                seen.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(&GOAWAY).await.unwrap();
            stream.shutdown().await.ok();
        }
    })
    .await;
    assert_eq!(status(&post(&trusting(&cert), &https(&receiver)).await), 200);
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn a_connection_beyond_its_age_takes_no_place_of_one_that_is_not() {
    let (cert, key) = certificate(|_| ());
    let receiver = http2(acceptor(&cert, &key, b"h2"), |number| {
        if number == 0 { Reaction::Late(Duration::from_secs(3)) } else { Reaction::Answer }
    })
    .await;
    let policy = Arc::new(TargetPolicy::new(false, vec!["127.0.0.0/8".parse().unwrap()]));
    let limits = Limits { age: Duration::from_millis(2500), ..patient() };
    let way = WayOut { roots: Roots(vec![cert]), ..WayOut::default() };
    let (client, url) = (Client::new(policy, limits, &way).unwrap(), https(&receiver));
    let later = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        post(&client, &url).await
    };
    let (old, fresh) = tokio::join!(post(&client, &url), later);
    assert_eq!((status(&old), status(&fresh), receiver.connections()), (200, 200, 2));
    assert_eq!(status(&post(&client, &url).await), 200);
    assert_eq!(receiver.connections(), 2);
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
    let way = WayOut { roots: Roots(vec![certificate]), ..WayOut::default() };
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
