//! Routes that are going away say so on every answer: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a `Link` to
//! what to do. The policy: twelve months lie between the two.

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, header};

/// How long a route still answers.
#[derive(Clone, Copy, Debug)]
pub struct Deprecation {
    /// Since when it should not be used.
    pub since: DateTime<Utc>,
    /// When it stops answering.
    pub sunset: DateTime<Utc>,
    /// Where it says what to use instead.
    pub guide: &'static str,
}

impl Deprecation {
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        let texts = [
            ("deprecation", format!("@{}", self.since.timestamp())),
            ("sunset", self.sunset.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ];
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
        let link = format!("<{}>; rel=\"deprecation\"; type=\"text/html\"", self.guide);
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, link);
        }
    }
}
