//! What an attempt tells: its code and phase and everything that its owner needs to find the fault; and what it says of
//! the receiver's capacity. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use shared::webhook::attempt::{AttemptDetail, Connection, NextAttempt, Phase, Timings};
use shared::webhook::code::ErrorCode;
use shared::webhook::headers::{CustomHeaders, mask};

use crate::client::{Exchange, Fault};
use crate::queue::{Feedback, Signal};

/// Headers of an answer that are kept, at most.
const MOST_HEADERS: usize = 32;

/// Bytes of them, at most.
const MOST_BYTES: usize = 4 * 1024;

/// Why an attempt failed; nothing when it did not.
pub(crate) fn code(outcome: Result<StatusCode, Fault>) -> Option<ErrorCode> {
    match outcome {
        Ok(status) if status.is_success() => None,
        Ok(StatusCode::GONE) => Some(ErrorCode::Gone),
        Ok(StatusCode::TOO_MANY_REQUESTS) => Some(ErrorCode::RateLimited),
        Ok(status) if status.is_redirection() => Some(ErrorCode::Redirect),
        Ok(_) => Some(ErrorCode::HttpStatus),
        Err(fault) => Some(fault.code()),
    }
}

/// What is kept of an attempt beside its outcome: an [`AttemptDetail`] as JSON. It is written from what it shows,
/// because each of its headers would be two strings and a place in a map, for every delivery.
pub(crate) fn detail(exchange: &Exchange, custom: &CustomHeaders, next: NextAttempt) -> String {
    let phase = match &exchange.outcome {
        Ok(status) if !status.is_success() => Some(Phase::Response),
        _ => exchange.phase,
    };
    json(&Detail {
        phase,
        warning: exchange.warning,
        sent_again: exchange.sent_again,
        timings: exchange.timings,
        connection: exchange.connection.as_ref(),
        request_headers: Sent(&exchange.sent, custom),
        response_headers: Received(&exchange.received),
        next,
    })
}

/// The same where no request was made.
pub(crate) fn unmade(next: NextAttempt) -> String {
    json(&AttemptDetail {
        phase: Some(Phase::Prepare),
        warning: None,
        sent_again: 0,
        timings: Timings::default(),
        connection: None,
        request_headers: BTreeMap::new(),
        response_headers: BTreeMap::new(),
        next,
    })
}

#[expect(clippy::expect_used, reason = "only keys that are no strings can be no JSON")]
fn json(detail: &impl Serialize) -> String {
    serde_json::to_string(detail).expect("headers, numbers and texts are JSON")
}

/// As [`AttemptDetail`], which reads it.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    phase: Option<Phase>,
    warning: Option<ErrorCode>,
    sent_again: u32,
    timings: Timings,
    connection: Option<&'a Connection>,
    request_headers: Sent<'a>,
    response_headers: Received<'a>,
    next: NextAttempt,
}

/// What was sent; the tenant's own headers and signatures are masked.
struct Sent<'a>(&'a HeaderMap, &'a CustomHeaders);

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(headers, custom) = self;
        let mut map = serializer.serialize_map(Some(headers.keys_len()))?;
        for (name, value) in *headers {
            let shown = match name.as_str() {
                "webhook-signature" | "x-webhook-signature" => {
                    without_signatures(&text(value)).into()
                }
                own if custom.has(own) => value.to_str().map(mask).unwrap_or_default().into(),
                _ => text(value),
            };
            map.serialize_entry(name.as_str(), &shown)?;
        }
        map.end()
    }
}

/// What came back, repeated headers joined, until there are too many.
struct Received<'a>(&'a HeaderMap);

impl Serialize for Received<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let (mut shown, mut left) = (0, MOST_BYTES);
        for name in self.0.keys().map(HeaderName::as_str) {
            let mut values = self.0.get_all(name).iter().map(text).filter(|value| {
                let rest = left.checked_sub(name.len() + value.len());
                left = rest.unwrap_or(left);
                rest.is_some()
            });
            let Some(first) = values.next() else { continue };
            let value = values.fold(first, |before, value| format!("{before}, {value}").into());
            map.serialize_entry(name, &value)?;
            shown += 1;
            if shown == MOST_HEADERS {
                break;
            }
        }
        map.end()
    }
}

/// What an attempt says of the receiver's capacity.
pub(crate) fn told(exchange: &Exchange, started: DateTime<Utc>, ended: DateTime<Utc>) -> Feedback {
    let signal = match exchange.outcome {
        Ok(StatusCode::TOO_MANY_REQUESTS) => Signal::TooOften,
        Ok(StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
        | Err(Fault::Timeout | Fault::ConnectTimeout) => Signal::Slow,
        Ok(status) if !status.is_server_error() => Signal::Taken,
        Ok(_) | Err(_) => Signal::Neutral,
    };
    let asked = matches!(
        exchange.outcome,
        Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    );
    let hold = exchange.retry_after.filter(|_| asked).map(|wish| wish.wait(ended));
    Feedback { signal, hold, started, ended }
}

/// Without control characters, which JSON columns cannot hold all of.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(value.as_bytes());
    if text.chars().any(char::is_control) {
        return text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    }
    text
}

/// `v1,…` for `v1,abc`, `sha256=…` for `sha256=abc`; several stay several.
fn without_signatures(value: &str) -> String {
    let (gap, sign) = if value.starts_with("sha256=") { (',', '=') } else { (' ', ',') };
    let schemes = value.split(gap).map(|item| item.split(sign).next().unwrap_or_default());
    let masked: Vec<_> = schemes.map(|scheme| format!("{scheme}{sign}…")).collect();
    masked.join(&gap.to_string())
}

#[cfg(test)]
mod tests {
    use shared::webhook::attempt::Why;

    use super::*;

    #[test]
    fn of_signatures_only_their_schemes_are_kept() {
        assert_eq!(without_signatures("v1,abc/+= v1a,def"), "v1,… v1a,…");
        assert_eq!(without_signatures("sha256=abc,sha256=def"), "sha256=…,sha256=…");
    }

    fn exchange(sent: HeaderMap, received: HeaderMap) -> Exchange {
        Exchange {
            outcome: Ok(StatusCode::OK),
            phase: None,
            warning: None,
            retry_after: None,
            sent,
            received,
            excerpt: None,
            connection: None,
            sent_again: 0,
            timings: Timings::default(),
            first_byte: None,
            total: std::time::Duration::ZERO,
        }
    }

    fn read(exchange: &Exchange, custom: &CustomHeaders) -> AttemptDetail {
        let next = NextAttempt { at: None, why: Why::Delivered };
        serde_json::from_str(&detail(exchange, custom, next)).unwrap()
    }

    #[test]
    fn of_an_answers_headers_so_many_are_kept_and_so_many_bytes() {
        let mut headers = HeaderMap::new();
        for number in 0..100 {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            headers.insert(name, HeaderValue::from_static("ok"));
        }
        let kept = |headers: &HeaderMap| {
            read(&exchange(HeaderMap::new(), headers.clone()), &CustomHeaders::default())
                .response_headers
        };
        assert_eq!(kept(&headers).len(), 32);
        let mut few = HeaderMap::new();
        few.insert("x-0", HeaderValue::try_from("x".repeat(5000)).unwrap());
        few.append("x-1", HeaderValue::from_static("ok"));
        few.append("x-1", HeaderValue::from_bytes(b"a\xff\tb").unwrap());
        few.append("x-1", HeaderValue::try_from("x".repeat(4090)).unwrap());
        let kept = kept(&few);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept["x-1"], "ok, a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn of_what_is_sent_the_tenants_own_headers_and_signatures_are_masked() {
        let own = [("x-own".to_owned(), "0123456789abcdefgh".to_owned())];
        let custom = CustomHeaders::new(own.into());
        let mut sent = HeaderMap::new();
        sent.insert("x-own", HeaderValue::from_static("0123456789abcdefgh"));
        sent.insert("webhook-signature", HeaderValue::from_static("v1,abc v1a,def"));
        sent.insert("webhook-id", HeaderValue::from_static("one"));
        let shown = read(&exchange(sent, HeaderMap::new()), &custom).request_headers;
        let expected =
            [("webhook-id", "one"), ("webhook-signature", "v1,… v1a,…"), ("x-own", "…efgh")];
        assert_eq!(shown, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
