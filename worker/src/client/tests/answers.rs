//! Receivers that answer, each in its own way.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::{BODY, Receiver, client, patient, post, post_to, read_request, status};
use crate::client::{Message, RetryAfter};

#[tokio::test]
async fn the_request_arrives_as_it_was_given() {
    let (seen, mut requests) = mpsc::channel(1);
    let receiver = Receiver::start(move |mut stream| {
        let seen = seen.clone();
        async move {
            seen.send(read_request(&mut stream).await.unwrap()).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let headers = HeaderMap::from_iter([
        (http::header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ("webhook-id".parse().unwrap(), HeaderValue::from_static("evt_1")),
    ]);

    let url = format!("{}?a=b#c", receiver.url());
    let body = Bytes::from_static(BODY);
    let message = Message { url: &url, identity: None, headers, body };
    let exchange = client(patient()).post(message).await;

    let (head, body) = requests.recv().await.unwrap();
    let mut lines: Vec<_> = head.trim_end().lines().collect();
    lines[1..].sort_unstable();
    let host = format!("host: {}", receiver.addr);
    assert_eq!(
        lines,
        [
            "post /hook?a=b http/1.1",
            "accept: */*",
            "content-length: 14",
            "content-type: application/json",
            host.as_str(),
            "user-agent: liaison-webhooks/1",
            "webhook-id: evt_1",
        ]
    );
    assert_eq!(body, BODY);
    assert_eq!(status(&exchange), 200);
    assert_eq!(exchange.excerpt, None);
    assert!(exchange.first_byte.unwrap() <= exchange.total);
}

#[tokio::test]
async fn every_status_is_an_outcome() {
    for expected in [200, 204, 304, 400, 404, 410, 429, 500, 503, 999] {
        let answer = format!("HTTP/1.1 {expected} Whatever\r\nContent-Length: 0\r\n\r\n");
        let receiver = Receiver::answering(answer).await;
        assert_eq!(status(&post_to(&receiver).await), expected);
    }
}

#[tokio::test]
async fn switching_protocols_is_an_answer_like_any_other() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let receiver = Receiver::answering(answer).await;
    assert_eq!(status(&post_to(&receiver).await), 101);
}

#[tokio::test]
async fn the_beginning_of_a_failed_answer_is_kept() {
    let answer = format!("HTTP/1.1 500 No\r\nContent-Length: 3000\r\n\r\n{}", "é".repeat(1500));
    let exchange = post_to(&Receiver::answering(answer).await).await;
    assert_eq!(status(&exchange), 500);
    assert_eq!(exchange.excerpt.unwrap(), "é".repeat(512));
}

#[tokio::test]
async fn nul_bytes_and_broken_utf8_become_replacement_characters() {
    let receiver =
        Receiver::answering(*b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na\0b\xff\xfec\0").await;
    let exchange = post_to(&receiver).await;
    assert_eq!(exchange.excerpt.unwrap(), "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}");
}

#[tokio::test]
async fn a_compressed_answer_is_not_expanded() {
    // "hello", compressed.
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        gzip.len()
    )
    .into_bytes();
    answer.extend_from_slice(gzip);
    let exchange = post_to(&Receiver::answering(answer).await).await;
    assert_eq!(status(&exchange), 200);
    let excerpt = exchange.excerpt.unwrap();
    assert!(excerpt.starts_with("\u{fffd}\u{fffd}"), "{excerpt:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let target = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    for status_line in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
    {
        let answer = format!(
            "HTTP/1.1 {status_line}\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
            target.url()
        );
        let exchange = post_to(&Receiver::answering(answer).await).await;
        assert_eq!(status(&exchange).to_string(), status_line[..3]);
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms() {
    let at = RetryAfter::At("2030-01-02T03:04:05Z".parse().unwrap());
    for (value, expected) in [
        ("120", Some(RetryAfter::In(Duration::from_mins(2)))),
        ("Wed, 02 Jan 2030 03:04:05 GMT", Some(at)),
        ("later", None),
    ] {
        let answer =
            format!("HTTP/1.1 429 Slow\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n");
        let exchange = post_to(&Receiver::answering(answer).await).await;
        assert_eq!(status(&exchange), 429);
        assert_eq!(exchange.retry_after, expected);
    }
}

#[tokio::test]
async fn twenty_posts_to_one_host_use_one_connection() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let client = client(patient());
    for _ in 0..20 {
        let exchange = post(&client, &receiver.url()).await;
        assert_eq!(exchange.excerpt.unwrap(), "ok");
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn of_posts_that_come_eight_at_a_time_nineteen_in_twenty_reuse_a_connection() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let (client, url) = (client(patient()), receiver.url());
    let mut reused = 0;
    for _ in 0..40 {
        let posts = futures_util::future::join_all((0..8).map(|_| post(&client, &url))).await;
        reused += posts.iter().filter(|one| one.connection.as_ref().unwrap().reused).count();
    }
    assert!(reused >= 8 * 40 * 95 / 100, "{reused} of 320");
    assert_eq!(reused + receiver.connections(), 8 * 40);
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let (seen, mut requests) = mpsc::channel(2);
    let receiver = Receiver::start(move |mut stream| {
        let seen = seen.clone();
        async move {
            while let Some((head, _)) = read_request(&mut stream).await {
                seen.send(head).await.unwrap();
                let answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    let client = client(patient());
    for _ in 0..2 {
        post(&client, &receiver.url()).await;
        assert!(!requests.recv().await.unwrap().contains("cookie"));
    }
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    let receiver = Receiver::answering_once(b"HTTP/1.1 200 OK\r\n\r\nbye").await;
    let exchange = post_to(&receiver).await;
    assert_eq!(status(&exchange), 200);
    assert_eq!(exchange.excerpt.unwrap(), "bye");
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_change_the_outcome() {
    let receiver =
        Receiver::answering_once(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf").await;
    let exchange = post_to(&receiver).await;
    assert_eq!(status(&exchange), 200);
    assert_eq!(exchange.excerpt.unwrap(), "half");
}

#[tokio::test]
async fn every_character_that_a_url_may_keep_can_be_sent() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let url: String = (' '..='~').filter(|c| !"/\\#".contains(*c)).collect();
    let url = format!("{}/ü{}?ü{url}", receiver.url(), url.replace('?', ""));
    assert_eq!(status(&post(&client(patient()), &url).await), 200, "{url}");
}
