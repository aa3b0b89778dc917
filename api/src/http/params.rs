//! The query string of a request, with who asks and where: what lists and expansions are read from.

use axum::extract::FromRequestParts;
use http::request::Parts;
use url::form_urlencoded;

use super::terms::QueryFaults;
use crate::App;
use crate::auth::Caller;
use crate::error::{Details, Error, Result};

/// More parameters than any sensible request has.
const MAX_PARAMETERS: usize = 50;

/// The parameters of one request, each given once.
pub struct Params {
    /// What cursors are signed with.
    pub app: App,
    /// Who asks.
    pub caller: Caller,
    /// The path that was asked for.
    pub path: String,
    /// Names and values without the space around them, in the order given.
    pub pairs: Vec<(String, String)>,
    /// What is wrong already: parameters that are unknown, given twice, or not in UTF-8.
    pub faults: Details,
}

impl FromRequestParts<App> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let (pairs, mut faults) = read(parts.uri.query().unwrap_or_default())?;
        faults.extend(QueryFaults::of(&parts.extensions));
        Ok(Self { app: app.clone(), caller, path: parts.uri.path().to_owned(), pairs, faults })
    }
}

type Pairs = Vec<(String, String)>;

fn read(query: &str) -> Result<(Pairs, Details)> {
    let (mut pairs, mut faults) = (Pairs::new(), Details::new());
    for (count, (name, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
        if count == MAX_PARAMETERS {
            return Err(Error::BadRequest("Too many query parameters".into()));
        }
        let value = value.trim();
        // What is not UTF-8 has been decoded to this sign.
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            faults.insert(name.into_owned(), "Must be UTF-8, percent-encoded".to_owned());
        } else if pairs.iter().any(|(known, _)| *known == name) {
            faults.insert(name.into_owned(), "Is given twice".to_owned());
        } else {
            pairs.push((name.into_owned(), value.to_owned()));
        }
    }
    Ok((pairs, faults))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once_and_counted() {
        let (pairs, faults) = read("a=1&b=%20x+y%20&a=2&c=%ff&d=50%&%E2%82%AC=%E2%82%AC&").unwrap();
        let expected = [("a", "1"), ("b", "x y"), ("d", "50%"), ("€", "€")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(faults.into_keys().collect::<Vec<_>>(), ["a", "c"]);
        assert!(read(&"a=1&".repeat(50)).is_ok());
        assert!(matches!(read(&"a=1&".repeat(51)), Err(Error::BadRequest(_))));
    }
}
