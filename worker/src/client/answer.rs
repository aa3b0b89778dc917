//! What is kept of an answer beside its status.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::RETRY_AFTER;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use shared::webhook::code::ErrorCode;
use tokio::time::{Instant, timeout_at};

use super::Limits;

/// When a receiver asks to be called again (RFC 9110 §10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// This long after the answer.
    In(Duration),
    /// At this time.
    At(DateTime<Utc>),
}

impl RetryAfter {
    /// The first `Retry-After` header, if it is well-formed.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(RETRY_AFTER)?.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // Saturates at 136 years, so that adding it to a date cannot overflow.
            let seconds = text.parse().unwrap_or(u32::MAX);
            return Some(Self::In(Duration::from_secs(seconds.into())));
        }
        httpdate::parse_http_date(text).ok().map(|time| Self::At(time.into()))
    }

    /// How long to wait from `now`; zero for a time that has passed.
    #[must_use]
    pub fn wait(self, now: DateTime<Utc>) -> Duration {
        match self {
            Self::In(wait) => wait,
            Self::At(time) => (time - now).to_std().unwrap_or(Duration::ZERO),
        }
    }
}

/// Reads to the end, so that the connection can be used again, unless that takes too many bytes or too long; what was
/// kept, and what was wrong. A body that breaks off is as good as one that ends: the status has decided.
pub(super) async fn read(
    mut body: Incoming,
    limits: Limits,
    deadline: Instant,
) -> (Vec<u8>, Option<ErrorCode>) {
    let (mut kept, mut read) = (Vec::new(), 0);
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => return (kept, Some(ErrorCode::BodyTimeout)),
            Ok(None) => return (kept, None),
            Ok(Some(Err(_))) => return (kept, Some(ErrorCode::BodyIncomplete)),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        let room = limits.excerpt - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        read += data.len();
        if read > limits.body {
            return (kept, Some(ErrorCode::BodyTooLarge));
        }
    }
}

/// At most `max` bytes of UTF-8. NUL is replaced because PostgreSQL's `text` cannot hold it.
pub(super) fn text(bytes: &[u8], max: usize) -> Option<String> {
    let mut text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(max));
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_any_date_form_of_http() {
        let date = RetryAfter::At(time("1994-11-06T08:49:37Z"));
        for (text, expected) in [
            ("0", Some(RetryAfter::In(Duration::ZERO))),
            (" 120 ", Some(RetryAfter::In(Duration::from_mins(2)))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(date)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(date)),
            ("Sun Nov  6 08:49:37 1994", Some(date)),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(RetryAfter::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_absurd_retry_after_stays_addable_to_a_date() {
        let wait = RetryAfter::parse(&"9".repeat(400)).unwrap().wait(time("2026-01-01T00:00:00Z"));
        assert_eq!(wait, Duration::from_secs(u32::MAX.into()));
        assert!(
            time("2026-01-01T00:00:00Z")
                .checked_add_signed(chrono::TimeDelta::from_std(wait).unwrap())
                .is_some()
        );
    }

    #[test]
    fn the_wait_counts_from_now_and_is_never_negative() {
        let now = time("2026-01-02T03:04:05Z");
        assert_eq!(RetryAfter::In(Duration::from_secs(7)).wait(now), Duration::from_secs(7));
        let later = RetryAfter::At(time("2026-01-02T03:05:05Z"));
        assert_eq!(later.wait(now), Duration::from_mins(1));
        assert_eq!(RetryAfter::At(time("2026-01-02T03:04:04Z")).wait(now), Duration::ZERO);
    }

    #[test]
    fn the_text_of_an_answer_is_storable_and_bounded_in_bytes() {
        assert_eq!(text(b"", 8), None);
        assert_eq!(text(b"plain", 8).unwrap(), "plain");
        assert_eq!(text(b"a\0b", 8).unwrap(), "a\u{fffd}b");
        assert_eq!(text("grüße".as_bytes(), 3).unwrap(), "gr");
        for bytes in [&[0xff; 100][..], &[0; 100], "€".repeat(50).as_bytes()] {
            assert!(text(bytes, 64).unwrap().len() <= 64);
        }
    }
}
