//! What each error code means: docs/errors.md, entry by entry. Every error says where its own is (docs/decisions/0025).

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http::{HeaderValue, header};

use crate::App;
use crate::error::{CODES, Error, Result};

const CATALOGUE: &str = include_str!("../../../docs/errors.md");

/// `/docs/errors/{code}`, for anyone.
pub(super) fn router() -> Router<App> {
    Router::new().route(
        "/docs/errors/{code}",
        get(async |Path(code): Path<String>| -> Result<_> {
            let entry = entry(&code).ok_or(Error::NotFound("Error code"))?;
            Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], entry))
        }),
    )
}

/// `Link` to the entry of a code (RFC 8288, relation `help`).
pub(super) fn link(code: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("</docs/errors/{code}>; rel=\"help\"")).ok()
}

/// What the catalogue says of a code.
fn entry(code: &str) -> Option<&'static str> {
    let known = CODES.contains(&code);
    let mut entries = CATALOGUE.split("\n## ").skip(1);
    entries.find(|entry| known && entry.lines().next() == Some(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_an_entry_for_every_code() {
        let missing: Vec<_> = CODES.iter().filter(|code| entry(code).is_none()).collect();
        assert!(missing.is_empty(), "docs/errors.md does not explain {missing:?}");
        assert!(entry("Deliveries").is_none() && entry("").is_none());
    }
}
