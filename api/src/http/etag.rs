//! Entity tags (RFC 9110, 8.8.3): `"<version>-<hash>"`, or `"<hash>"` for what has no version. `If-None-Match`
//! compares the whole tag, so it is right for `fields` and `expand` too; `If-Match` compares the version only,
//! which is what a writer must not overwrite unseen.

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;

use super::answer::Pagination;
use crate::error::{Error, Result};

/// Bytes of the hash: enough that two answers never share one by chance.
const HASH: usize = 12;

/// The tag of an answer.
pub(super) fn of(data: &str, version: Option<i32>, pagination: Option<&Pagination>) -> String {
    let mut digest = Sha256::new();
    digest.update(data);
    if let Some(pagination) = pagination {
        digest.update(serde_json::to_vec(pagination).unwrap_or_default());
    }
    let digest = digest.finalize();
    let hash = URL_SAFE_NO_PAD.encode(digest.get(..HASH).unwrap_or_default());
    match version {
        Some(version) => format!("\"{version}-{hash}\""),
        None => format!("\"{hash}\""),
    }
}

/// The tags that a request names: several lines of a header are one list (RFC 9110, 5.3).
pub(super) fn named(headers: &HeaderMap, header: HeaderName) -> Option<String> {
    let lines = headers.get_all(header).iter();
    let lines: Vec<_> = lines.map(|line| line.to_str().unwrap_or_default()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Whether an `If-None-Match` names the tag. A weak one counts: proxies that compress weaken tags.
pub(super) fn names(header: &str, tag: &str) -> bool {
    tags(header).any(|known| known == "*" || known == tag.trim_matches('"'))
}

/// The tags of a header without their quotes and `W/`.
fn tags(header: &str) -> impl Iterator<Item = &str> {
    header.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
}

/// What a writer says it has seen, in `If-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// Nothing: it writes whatever is there.
    Anything,
    /// One of these versions.
    Versions(Vec<i32>),
}

impl IfMatch {
    /// Whether the record is still as the writer has seen it.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`] with the version that it has.
    pub fn check(&self, version: i32) -> Result<()> {
        match self {
            Self::Versions(seen) if !seen.contains(&version) => {
                Err(Error::PreconditionFailed(version))
            }
            _ => Ok(()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    /// A tag that is none of ours names no version, so the condition fails as it must.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Infallible> {
        let Some(text) = named(&parts.headers, header::IF_MATCH) else { return Ok(Self::Anything) };
        if text.trim() == "*" {
            return Ok(Self::Anything);
        }
        let version = |tag: &str| tag.split('-').next().unwrap_or_default().parse().ok();
        Ok(Self::Versions(tags(&text).filter_map(version).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_changes_with_version_and_content_and_is_found_in_a_header() {
        let tag = of("{}", Some(3), None);
        assert!(tag.starts_with("\"3-") && tag.ends_with('"'), "{tag}");
        assert_ne!(tag, of("{}", Some(4), None));
        assert_ne!(tag, of("[]", Some(3), None));
        for header in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            assert!(names(&header, &tag), "{header}");
        }
        assert!(!names("\"3\"", &tag));
    }

    #[test]
    fn a_writer_may_only_change_what_it_has_seen() {
        assert!(IfMatch::Anything.check(7).is_ok());
        assert!(IfMatch::Versions(vec![6, 7]).check(7).is_ok());
        assert!(IfMatch::Versions(vec![6]).check(7).is_err());
        assert!(IfMatch::Versions(vec![]).check(7).is_err());
    }
}
