//! What an attempt tells: its code and phase and everything that its owner needs to find the fault; and what it says of
//! the receiver's capacity. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, StatusCode};
use shared::webhook::attempt::{AttemptDetail, NextAttempt, Phase, Timings};
use shared::webhook::code::ErrorCode;
use shared::webhook::headers::CustomHeaders;

use crate::client::{Exchange, Fault};
use crate::queue::{Signal, Told};

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

/// What is kept of an attempt beside its outcome.
pub(crate) fn detail(
    exchange: &Exchange,
    custom: &CustomHeaders,
    next: NextAttempt,
) -> AttemptDetail {
    let phase = match &exchange.outcome {
        Ok(status) if !status.is_success() => Some(Phase::Response),
        _ => exchange.phase,
    };
    let mut request_headers = shown(&exchange.sent, usize::MAX, usize::MAX);
    request_headers.extend(custom.masked());
    for name in ["webhook-signature", "x-webhook-signature"] {
        if let Some(value) = request_headers.get_mut(name) {
            *value = without_signatures(value);
        }
    }
    AttemptDetail {
        phase,
        warning: exchange.warning,
        timings: exchange.timings,
        connection: exchange.connection.clone(),
        request_headers,
        response_headers: shown(&exchange.received, MOST_HEADERS, MOST_BYTES),
        next,
    }
}

/// The same where no request was made.
pub(crate) fn unmade(next: NextAttempt) -> AttemptDetail {
    AttemptDetail {
        phase: Some(Phase::Prepare),
        warning: None,
        timings: Timings::default(),
        connection: None,
        request_headers: BTreeMap::new(),
        response_headers: BTreeMap::new(),
        next,
    }
}

/// What an attempt says of the receiver's capacity.
pub(crate) fn told(exchange: &Exchange, started: DateTime<Utc>, ended: DateTime<Utc>) -> Told {
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
    Told { signal, hold, started, ended }
}

/// Headers as text, repeated ones joined, until there are too many.
fn shown(headers: &HeaderMap, most: usize, bytes: usize) -> BTreeMap<String, String> {
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    let mut left = bytes;
    for (name, value) in headers {
        let value = text(value);
        let cost = name.as_str().len() + value.len();
        if cost > left || (shown.len() >= most && !shown.contains_key(name.as_str())) {
            continue;
        }
        left -= cost;
        shown
            .entry(name.as_str().to_owned())
            .and_modify(|before| *before = format!("{before}, {value}"))
            .or_insert(value);
    }
    shown
}

/// Without control characters, which JSON columns cannot hold all of.
fn text(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
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
    use super::*;

    #[test]
    fn of_signatures_only_their_schemes_are_kept() {
        assert_eq!(without_signatures("v1,abc/+= v1a,def"), "v1,… v1a,…");
        assert_eq!(without_signatures("sha256=abc,sha256=def"), "sha256=…,sha256=…");
    }

    #[test]
    fn of_an_answers_headers_so_many_are_kept_and_so_many_bytes() {
        let mut headers = HeaderMap::new();
        for number in 0..100 {
            let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
            headers.insert(name, HeaderValue::from_static("ok"));
        }
        assert_eq!(shown(&headers, MOST_HEADERS, MOST_BYTES).len(), 32);
        headers.insert("x-0", HeaderValue::try_from("x".repeat(5000)).unwrap());
        assert!(!shown(&headers, 200, MOST_BYTES).contains_key("x-0"));
        headers.append("x-1", HeaderValue::from_bytes(b"a\xff\tb").unwrap());
        assert_eq!(shown(&headers, 200, MOST_BYTES)["x-1"], "ok, a\u{fffd}\u{fffd}b");
    }
}
