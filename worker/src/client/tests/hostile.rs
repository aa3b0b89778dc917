//! Receivers that hold, flood or break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{PATIENCE, Receiver, client, code, patient, post, post_to, read_request, status};
use crate::client::{BODY_GRACE, Exchange, Limits};

const SHORT: Duration = Duration::from_millis(300);

/// Writes pieces until the client closes the connection; returns how many bytes it took.
async fn write_forever(stream: &mut TcpStream, piece: &[u8], pause: Duration) -> usize {
    let mut written = 0;
    while let Ok(n) = stream.write(piece).await {
        written += n;
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    written
}

/// A receiver that writes `head` once and `piece` without end, and the number of bytes it wrote.
async fn streaming(
    head: &'static [u8],
    piece: Vec<u8>,
    pause: Duration,
) -> (Receiver, mpsc::Receiver<usize>) {
    let (done, written) = mpsc::channel(1);
    let piece = Arc::new(piece);
    let receiver = Receiver::start(move |mut stream| {
        let (done, piece) = (done.clone(), Arc::clone(&piece));
        async move {
            read_request(&mut stream).await;
            stream.write_all(head).await.unwrap();
            done.send(write_forever(&mut stream, &piece, pause).await).await.ok();
        }
    })
    .await;
    (receiver, written)
}

async fn hurried_post_to(receiver: &Receiver) -> Exchange {
    let exchange = post(&client(Limits { total: SHORT, ..patient() }), &receiver.url()).await;
    assert!(exchange.total >= SHORT, "{exchange:?}");
    assert!(exchange.total < PATIENCE, "{exchange:?}");
    exchange
}

#[tokio::test]
async fn a_receiver_that_never_answers_times_out_and_is_let_go() {
    let (closed, mut notice) = mpsc::channel(1);
    let receiver = Receiver::start(move |mut stream| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await;
            closed.send(stream.read_u8().await.is_err()).await.ok();
        }
    })
    .await;
    let exchange = hurried_post_to(&receiver).await;
    assert_eq!(code(&exchange), "timeout");
    assert_eq!(exchange.first_byte, None);
    assert_eq!(notice.recv().await, Some(true));
}

#[tokio::test]
async fn a_dripping_head_times_out() {
    let (receiver, _) = streaming(b"HTTP/1.1 200 OK\r\nX: ", vec![b'x'], SHORT / 10).await;
    assert_eq!(code(&hurried_post_to(&receiver).await), "timeout");
}

#[tokio::test]
async fn endless_interim_answers_time_out() {
    let piece = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    let (receiver, _) = streaming(b"", piece, Duration::from_millis(1)).await;
    assert_eq!(code(&hurried_post_to(&receiver).await), "timeout");
}

#[tokio::test]
async fn a_dripping_body_keeps_its_status_and_does_not_hold_the_sender() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let (receiver, mut written) = streaming(head, vec![b'x'], Duration::from_millis(50)).await;
    let exchange = post_to(&receiver).await;
    assert_eq!(status(&exchange), 200);
    assert!(exchange.excerpt.unwrap().starts_with('x'));
    assert!(exchange.total < PATIENCE / 2, "{:?}", exchange.total);
    assert!(written.recv().await.is_some(), "the connection is closed");
}

#[tokio::test]
async fn the_body_gets_no_time_beyond_the_deadline() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let (receiver, _written) = streaming(head, vec![b'x'], Duration::from_millis(10)).await;
    let client = client(Limits { total: SHORT, ..patient() });
    // Without the deadline no try could end before the grace; with it, one of ten will, however
    // busy the machine is.
    for _ in 0..10 {
        let exchange = post(&client, &receiver.url()).await;
        assert!(exchange.total >= SHORT, "{exchange:?}");
        if exchange.outcome.is_ok() && exchange.total < BODY_GRACE {
            return;
        }
    }
    panic!("the body was read beyond the deadline");
}

#[tokio::test]
async fn an_endless_body_keeps_its_status_and_is_cut_off() {
    let piece = vec![b'x'; 16 * 1024];
    let chunk = [b"4000\r\n", &piece[..], b"\r\n"].concat();
    for (head, piece) in [
        (&b"HTTP/1.1 200 OK\r\n\r\n"[..], piece.clone()),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", piece),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk),
    ] {
        let (receiver, mut written) = streaming(head, piece, Duration::ZERO).await;
        let exchange = post_to(&receiver).await;
        assert_eq!(status(&exchange), 200);
        assert_eq!(exchange.excerpt.unwrap(), "x".repeat(1024));
        let written = written.recv().await.unwrap();
        assert!(written < 16 << 20, "{written} bytes went into the sockets");
    }
}

#[tokio::test]
async fn a_body_up_to_the_limit_leaves_the_connection_usable_and_a_longer_one_closes_it() {
    const POSTS: usize = 10;
    for (length, reused) in [(64 * 1024, true), (4 * 64 * 1024, false)] {
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
        let receiver = Receiver::answering(answer).await;
        let client = client(patient());
        for _ in 0..POSTS {
            assert_eq!(status(&post(&client, &receiver.url()).await), 200);
        }
        // The pool takes a connection back in a task of its own, so not every post finds it there.
        assert_eq!(receiver.connections() < POSTS, reused, "{length} bytes");
    }
}

#[tokio::test]
async fn a_flood_of_headers_is_refused_without_being_read() {
    let fields = "X-Flood: yes\r\n".repeat(1000).into_bytes();
    for piece in [fields, vec![b'x'; 16 * 1024]] {
        let written = Arc::new(AtomicUsize::new(0));
        let (total, piece) = (Arc::clone(&written), Arc::new(piece));
        let (done, mut finished) = mpsc::channel(1);
        let receiver = Receiver::start(move |mut stream| {
            let (total, piece, done) = (Arc::clone(&total), Arc::clone(&piece), done.clone());
            async move {
                read_request(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nX-First: ").await.unwrap();
                while total.load(Ordering::SeqCst) < 10 << 20 {
                    let Ok(n) = stream.write(&piece).await else { break };
                    total.fetch_add(n, Ordering::SeqCst);
                }
                done.send(()).await.ok();
            }
        })
        .await;
        assert_eq!(code(&post_to(&receiver).await), "headers_too_large");
        finished.recv().await.unwrap();
        let written = written.load(Ordering::SeqCst);
        assert!(written < 10 << 20, "{written} bytes went into the sockets");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_invalid() {
    for garbage in [
        &b"\x15\x03\x01\x00\x02\x02\x46"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>hello</html>\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nBad Header\x01: x\r\n\r\n",
    ] {
        let receiver = Receiver::answering(garbage).await;
        let exchange = post_to(&receiver).await;
        assert_eq!(code(&exchange), "invalid_response", "{}", garbage.escape_ascii());
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_is_invalid() {
    let receiver = Receiver::start(|mut stream| async move {
        stream.write_all(b"220 mail.example.com ESMTP\r\n").await.ok();
        read_request(&mut stream).await;
        sleep(PATIENCE).await;
    })
    .await;
    assert_eq!(code(&post_to(&receiver).await), "invalid_response");
}

#[tokio::test]
async fn a_connection_closed_before_the_head_is_complete_is_a_reset() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Le"] {
        let receiver = Receiver::answering_once(answer).await;
        assert_eq!(code(&post_to(&receiver).await), "connection_reset");
    }
}

#[tokio::test]
async fn a_reset_before_the_head_is_a_reset() {
    let receiver = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(code(&post_to(&receiver).await), "connection_reset");
}

#[tokio::test]
async fn a_port_without_a_listener_is_a_failed_connection() {
    // Bound, so that nobody else listens there, but not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    assert_eq!(code(&post(&client(patient()), &url).await), "connect_failed");
}
