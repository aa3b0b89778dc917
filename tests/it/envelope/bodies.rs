//! Bodies that cannot be read.

use std::time::{Duration, Instant};

use api::http::MAX_BODY;
use reqwest::{Method, RequestBuilder};
use tests::kit::{Answer, CONTACTS, Tenant, TestApp, raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::problem;

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_the_place() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let nested = "[".repeat(1_000);
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let many = format!("[{}0]", "0,".repeat(500_000));
    let digits = format!("{{\"name\":{}}}x", "9".repeat(1_000_000));
    for (body, fault) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("{\"name\":\n\"Ada\",}", "key must be a string at line 2 column 7"),
        ("{\"name\":\"Ada\"} {}", "trailing characters at line 1 column 16"),
        ("name=Ada", "expected ident at line 1 column 2"),
        ("\u{feff}{\"name\":\"Ada\"}", "expected value at line 1 column 1"),
        ("{\"name\":\"Ada\"}}", "trailing characters at line 1 column 15"),
        ("{\"name\":01}", "invalid number at line 1 column 10"),
        ("{\"name\":NaN}", "expected value at line 1 column 9"),
        (
            "{\"name\":\"a\nb\"}",
            "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 10",
        ),
        ("{\"name\":\"Ada\",\"name\":\"Grace\"}", "name: given twice"),
        ("{\"name\":\"Ada\",\"n\\u0061me\":null}", "name: given twice"),
        ("{\"x\":[{\"y\":1},{\"y\":1,\"y\":1}]}", "x[1].y: given twice"),
        ("{\"name\":\"\\ud800\"}", "name: a lone surrogate"),
        ("{\"name\":[\"\\udc00\\ud800\"]}", "name[0]: a lone surrogate"),
        ("{\"\\ud800\":1}", "a lone surrogate"),
        (&nested, "EOF while parsing a list at line 1 column 1000"),
        (&digits, "trailing characters at line 1 column 1000010"),
        (&many, "more than 20000 values"),
    ] {
        let error = format!("The body is not valid JSON: {fault}");
        problem(Answer::to(json(&acme).body(body.to_owned())).await, 400, "INVALID_JSON", &error);
    }
    let answer = Answer::to(json(&acme).body(deep)).await.problem(400, "INVALID_JSON");
    assert!(answer["error"].as_str().unwrap().ends_with("]: nested deeper than 16 levels"));
}

#[tokio::test]
async fn what_is_json_and_no_value_of_its_field_is_told_by_field() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let string = "Must be a string";
    let most = "9".repeat(100_000);
    for (value, fault) in [
        ("5", string),
        ("1e400", string),
        ("-1e-400", string),
        (&*most, string),
        ("true", string),
        ("[\"Ada\"]", string),
        ("{\"name\":\"Ada\"}", string),
        ("null", "Is required"),
        ("\"A\\u0000da\"", "Must not contain NUL characters"),
        ("\"A\\u0001da\"", "Must not contain control characters"),
    ] {
        let body = format!("{{\"name\":{value}}}");
        let answer = Answer::to(json(&acme).body(body)).await;
        answer.invalid(&serde_json::json!({"name": fault}));
    }
    let body = "{\"name\":\"Ada\",\"na\\u0000me\":1,\"\":2,\"Name\":3}";
    let unknown = "Unknown field";
    let faults = serde_json::json!({"na\0me": unknown, "": unknown, "Name": unknown});
    Answer::to(json(&acme).body(body)).await.invalid(&faults);
}

#[tokio::test]
async fn a_body_that_is_no_text_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for bytes in [&b"\xff\xfe"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf0\x9f\x98"] {
        let body = [&b"{\"name\":\""[..], bytes, b"\"}"].concat();
        let error = "The body is not valid JSON: no UTF-8 after 9 bytes";
        problem(Answer::to(json(&acme).body(body)).await, 400, "INVALID_JSON", error);
    }
}

#[tokio::test]
async fn a_body_must_be_an_object() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for body in ["[]", "[{\"name\":\"Ada\"}]", "\"Ada\"", "5", "null", "true"] {
        let answer = Answer::to(json(&acme).body(body)).await;
        problem(answer, 400, "BAD_REQUEST", "The body must be a JSON object");
    }
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = "{\"name\":\"Ada\"}";
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "json",
        "",
        "text/vcard+json",
    ] {
        let answer = Answer::to(post(&acme).header("content-type", kind).body(body)).await;
        problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json");
    }
    let answer = Answer::to(post(&acme).body(body)).await;
    problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json");

    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/merge-patch+json",
        "application/json;x=y",
    ] {
        Answer::to(post(&acme).header("content-type", kind).body(body)).await.created();
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_not() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = |length| {
        let mut body = b"{\"name\":\"Ada\"".to_vec();
        body.resize(length - 1, b' ');
        body.push(b'}');
        body
    };
    Answer::to(json(&acme).body(body(MAX_BODY))).await.created();
    for length in [MAX_BODY + 1, 3 * MAX_BODY] {
        let answer = Answer::to(json(&acme).body(body(length))).await;
        problem(answer, 413, "PAYLOAD_TOO_LARGE", "The body is larger than 1048576 bytes");
    }
    assert_eq!(acme.get(CONTACTS).await.page().pagination["total"], 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_answered_and_not_stored() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream.write_all(head(&acme, 100).as_bytes()).await.unwrap();
    stream.write_all(b"{\"name\":\"Ada\"}").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(acme.get(CONTACTS).await.page().pagination["total"], 0);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_not_waited_for() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let started = Instant::now();
    let answer = raw::exchange(app.address(), head(&acme, 100).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"REQUEST_TIMEOUT\""), "{answer}");
    assert!(started.elapsed() >= Duration::from_secs(10));
}

#[tokio::test]
async fn a_body_in_pieces_is_read_to_its_end() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let request = head(&acme, 0).replace("content-length: 0", "transfer-encoding: chunked");
    let chunks = "8\r\n{\"name\":\r\n6\r\n\"Ada\"}\r\n0\r\n\r\n";
    let answer = raw::exchange(app.address(), format!("{request}{chunks}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

fn post(tenant: &Tenant) -> RequestBuilder {
    tenant.request(Method::POST, CONTACTS)
}

fn json(tenant: &Tenant) -> RequestBuilder {
    post(tenant).header("content-type", "application/json")
}

/// The head of a request whose body is for the test to send or not.
fn head(tenant: &Tenant, length: usize) -> String {
    let key = tenant.key();
    format!(
        "POST {CONTACTS} HTTP/1.1\r\nhost: api\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n"
    )
}
