//! Receivers that speak HTTP/2: good ones, and those that refuse, flood or break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use http::HeaderMap;
use shared::webhook::code::ErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::tls::{acceptor, certificate, https, trusting};
use super::{BODY, Exchange, PATIENCE, Receiver, code, post, status};
use crate::client::BODY_GRACE;

/// The body that is read at most, which is also what a receiver may send before any of it was read.
const WINDOW: usize = 64 * 1024;

/// What an HTTP/2 receiver does with a request.
#[derive(Clone, Copy)]
enum Reaction {
    Answer,
    Reset,
    Refuse,
    /// Answers with these headers.
    Headers(fn() -> HeaderMap),
    /// Answers with a body.
    Body(Manner),
}

/// How a body goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Endless,
    Dripping,
    /// One piece, and then nothing more.
    Unfinished,
    /// Reset when some of it was read.
    Broken,
}

/// What is done on each connection, by its number from zero.
type Plan = fn(usize) -> Reaction;

/// Tells of each body, when it was not wanted any more, how long it had become.
type Lengths = mpsc::UnboundedSender<usize>;

async fn http2(acceptor: TlsAcceptor, plan: Plan) -> Receiver {
    let made = AtomicUsize::new(0);
    let (lengths, _) = mpsc::unbounded_channel();
    Receiver::start(move |stream| {
        let (acceptor, lengths) = (acceptor.clone(), lengths.clone());
        let reaction = plan(made.fetch_add(1, Ordering::SeqCst));
        async move { serve(acceptor.accept(stream).await.unwrap(), reaction, lengths).await }
    })
    .await
}

async fn serve(stream: TlsStream<TcpStream>, reaction: Reaction, lengths: Lengths) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let mut head = http::Response::new(());
        match reaction {
            Reaction::Answer | Reaction::Body(_) => {}
            Reaction::Refuse => {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
                continue;
            }
            Reaction::Reset => {
                respond.send_reset(h2::Reason::INTERNAL_ERROR);
                continue;
            }
            Reaction::Headers(headers) => *head.headers_mut() = headers(),
        }
        let Ok(mut body) = respond.send_response(head, false) else { continue };
        if let Reaction::Body(manner) = reaction {
            let lengths = lengths.clone();
            tokio::spawn(async move { lengths.send(stream_body(body, manner).await) });
        } else {
            body.send_data(Bytes::from_static(b"h2"), true).ok();
        }
    }
}

/// Sends a body until the client wants no more of it; how long it had become.
async fn stream_body(mut body: SendStream<Bytes>, manner: Manner) -> usize {
    let mut sent = 0;
    let most = match manner {
        Manner::Endless | Manner::Dripping => usize::MAX,
        Manner::Unfinished => 2,
        Manner::Broken => WINDOW,
    };
    while sent < most {
        // Not in bytes: so many frames would be taken for an attack.
        body.reserve_capacity(16 * 1024);
        let room = std::future::poll_fn(|context| body.poll_capacity(context)).await;
        let Some(Ok(room)) = room else { return sent };
        let length = if manner == Manner::Dripping { 1 } else { room.min(most - sent) };
        if body.send_data(vec![b'x'; length].into(), false).is_err() {
            return sent;
        }
        sent += length;
        if manner == Manner::Dripping {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    if manner == Manner::Broken {
        // There is room again when half of it was read, and so the head before it.
        body.reserve_capacity(1);
        std::future::poll_fn(|context| body.poll_capacity(context)).await;
        body.send_reset(h2::Reason::INTERNAL_ERROR);
        return sent;
    }
    std::future::poll_fn(|context| body.poll_reset(context)).await.ok();
    sent
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

/// That many headers of that many bytes each, their names of six counted.
fn headers(count: usize, length: usize) -> HeaderMap {
    let value = "x".repeat(length - 6);
    (0..count).map(|n| (format!("x-{n:04}").parse().unwrap(), value.parse().unwrap())).collect()
}

/// One that HPACK writes as one byte each time but the first.
fn repeated(count: usize) -> HeaderMap {
    let value: http::HeaderValue = "x".repeat(3900).parse().unwrap();
    (0..count).map(|_| ("x-same".parse().unwrap(), value.clone())).collect()
}

#[tokio::test]
async fn faults_of_http2_have_the_same_codes() {
    fn long_behind_many() -> HeaderMap {
        let mut headers = repeated(60);
        headers.insert("x-long", "x".repeat(250_000).parse().unwrap());
        headers
    }
    fn malformed() -> HeaderMap {
        HeaderMap::from_iter([(http::header::CONTENT_LENGTH, "many".parse().unwrap())])
    }
    let (cert, key) = certificate(|_| ());
    let faults: [(Plan, _); 8] = [
        (|_| Reaction::Reset, "connection_reset"),
        (|_| Reaction::Headers(|| headers(101, 10)), "headers_too_large"),
        (|_| Reaction::Headers(|| headers(1, 64 * 1024 + 1)), "headers_too_large"),
        (|_| Reaction::Headers(|| headers(1, 1 << 20)), "headers_too_large"),
        // To take so many in, to tell them from broken ones, would be to hold that much for each request.
        (|_| Reaction::Headers(|| headers(100, 2_000)), "invalid_response"),
        (|_| Reaction::Headers(|| repeated(200)), "headers_too_large"),
        (|_| Reaction::Headers(long_behind_many), "headers_too_large"),
        (|_| Reaction::Headers(malformed), "invalid_response"),
    ];
    for (number, (plan, expected)) in faults.into_iter().enumerate() {
        let receiver = http2(acceptor(&cert, &key, b"h2"), plan).await;
        let exchange = post(&trusting(&cert), &https(&receiver)).await;
        assert_eq!(code(&exchange), expected, "{number}");
    }
}

#[tokio::test]
async fn a_hundred_headers_and_64_kib_of_them_are_taken_over_http2_too() {
    let (cert, key) = certificate(|_| ());
    let heads: [(Plan, _); 2] = [
        (|_| Reaction::Headers(|| headers(100, 500)), 100),
        (|_| Reaction::Headers(|| headers(1, 64 * 1024)), 1),
    ];
    for (plan, expected) in heads {
        let receiver = http2(acceptor(&cert, &key, b"h2"), plan).await;
        let exchange = post(&trusting(&cert), &https(&receiver)).await;
        assert_eq!((status(&exchange), exchange.received.len()), (200, expected));
    }
}

#[tokio::test]
async fn what_a_receiver_has_not_looked_at_is_sent_again_at_once_but_not_for_ever() {
    let (cert, key) = certificate(|_| ());
    let receiver = http2(acceptor(&cert, &key, b"h2"), |number| {
        if number == 0 { Reaction::Refuse } else { Reaction::Answer }
    })
    .await;
    let exchange = post(&trusting(&cert), &https(&receiver)).await;
    assert_eq!((status(&exchange), exchange.sent_again), (200, 1));
    let receiver = http2(acceptor(&cert, &key, b"h2"), |_| Reaction::Refuse).await;
    let exchange = post(&trusting(&cert), &https(&receiver)).await;
    assert_eq!((code(&exchange), exchange.sent_again), ("connection_reset", 3));
}

#[tokio::test]
async fn a_connection_that_ends_in_good_order_fails_no_request_that_came_behind_its_last() {
    // The server's settings, and that it ends: 0 is the last stream that it has looked at, and nothing is wrong.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (cert, key) = certificate(|_| ());
    let acceptor = acceptor(&cert, &key, b"h2");
    let made = Arc::new(AtomicUsize::new(0));
    let (lengths, _) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |stream| {
        let (acceptor, lengths) = (acceptor.clone(), lengths.clone());
        let first = made.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            if !first {
                return serve(stream, Reaction::Answer, lengths).await;
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

/// A receiver whose bodies go on like this, and their lengths.
async fn bodies(
    acceptor: TlsAcceptor,
    manner: Manner,
) -> (Receiver, mpsc::UnboundedReceiver<usize>) {
    let (lengths, told) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |stream| {
        let (acceptor, lengths) = (acceptor.clone(), lengths.clone());
        async move {
            let stream = acceptor.accept(stream).await.unwrap();
            serve(stream, Reaction::Body(manner), lengths).await;
        }
    })
    .await;
    (receiver, told)
}

fn warned(exchange: &Exchange, warning: ErrorCode) {
    assert_eq!((status(exchange), exchange.warning), (200, Some(warning)), "{exchange:?}");
    assert!(exchange.total < PATIENCE / 2, "{:?}", exchange.total);
}

#[tokio::test]
async fn an_endless_body_over_http2_is_cut_off_and_takes_nothing_from_the_next_hundred() {
    let (cert, key) = certificate(|_| ());
    let (receiver, mut lengths) = bodies(acceptor(&cert, &key, b"h2"), Manner::Endless).await;
    let client = trusting(&cert);
    // More than the window of the whole connection, which would be used up if it were not given back.
    for _ in 0..100 {
        let exchange = post(&client, &https(&receiver)).await;
        warned(&exchange, ErrorCode::BodyTooLarge);
        assert_eq!(exchange.excerpt.unwrap(), "x".repeat(1024));
        let length = lengths.recv().await.unwrap();
        assert!((WINDOW..=4 * WINDOW).contains(&length), "{length} bytes were taken");
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_body_over_http2_that_takes_too_long_is_reset_and_leaves_the_connection_usable() {
    let (cert, key) = certificate(|_| ());
    for manner in [Manner::Dripping, Manner::Unfinished] {
        let (receiver, mut lengths) = bodies(acceptor(&cert, &key, b"h2"), manner).await;
        let client = trusting(&cert);
        for _ in 0..2 {
            let exchange = post(&client, &https(&receiver)).await;
            warned(&exchange, ErrorCode::BodyTimeout);
            assert!(exchange.total >= BODY_GRACE, "{exchange:?}");
            assert!(exchange.excerpt.unwrap().starts_with('x'));
            assert!(lengths.recv().await.unwrap() < WINDOW, "{manner:?}");
        }
        assert_eq!(receiver.connections(), 1, "{manner:?}");
    }
}

#[tokio::test]
async fn a_body_over_http2_that_is_reset_keeps_its_status_and_leaves_the_connection_usable() {
    let (cert, key) = certificate(|_| ());
    let (receiver, _lengths) = bodies(acceptor(&cert, &key, b"h2"), Manner::Broken).await;
    let client = trusting(&cert);
    for _ in 0..2 {
        warned(&post(&client, &https(&receiver)).await, ErrorCode::BodyIncomplete);
    }
    assert_eq!(receiver.connections(), 1);
}
