//! What is kept of an answer beside its status.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use shared::webhook::code::ErrorCode;
use tokio::time::{Instant, timeout_at};

use super::Limits;

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

/// At most `max` bytes of UTF-8. Control characters but tabs and line ends are replaced: PostgreSQL's `text` cannot
/// hold NUL, and JSON writes each of the others in six bytes.
pub(super) fn text(bytes: &[u8], max: usize) -> Option<String> {
    let unreadable = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
    let mut text = String::from_utf8_lossy(bytes).replace(unreadable, "\u{fffd}");
    text.truncate(text.floor_char_boundary(max));
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_answer_is_storable_and_bounded_in_bytes() {
        assert_eq!(text(b"", 8), None);
        assert_eq!(text(b"plain", 8).unwrap(), "plain");
        assert_eq!(text(b"a\0b", 8).unwrap(), "a\u{fffd}b");
        assert_eq!(text(b"a\x01\x1b\x7f\r\n\tb", 20).unwrap(), "a\u{fffd}\u{fffd}\u{fffd}\r\n\tb");
        assert_eq!(text("grüße".as_bytes(), 3).unwrap(), "gr");
        for bytes in [&[0xff; 100][..], &[0; 100], "€".repeat(50).as_bytes()] {
            assert!(text(bytes, 64).unwrap().len() <= 64);
        }
    }
}
