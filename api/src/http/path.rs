//! Ids in paths. One that is no UUID names nothing, so it is not found rather than malformed (requirement C-11).

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use crate::error::{Error, Result};

/// What an id's record is called in `"<Resource> not found"`.
pub trait Resource: FromStr {
    /// Singular, capitalised.
    const NAME: &'static str;

    /// The answer when there is no such record.
    #[must_use]
    fn not_found() -> Error {
        Error::NotFound(Self::NAME)
    }
}

/// The only id of a path.
pub struct Id<T>(pub T);

/// The two ids of a path, outer first.
pub struct Ids<A, B>(pub A, pub B);

/// The three ids of a path, outermost first.
pub struct Ids3<A, B, C>(pub A, pub B, pub C);

impl<T: Resource, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let texts = texts(parts, state).await;
        Ok(Self(nth(&texts, 0)?))
    }
}

impl<A: Resource, B: Resource, S: Send + Sync> FromRequestParts<S> for Ids<A, B> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let texts = texts(parts, state).await;
        Ok(Self(nth(&texts, 0)?, nth(&texts, 1)?))
    }
}

impl<A: Resource, B: Resource, C: Resource, S: Send + Sync> FromRequestParts<S> for Ids3<A, B, C> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let texts = texts(parts, state).await;
        Ok(Self(nth(&texts, 0)?, nth(&texts, 1)?, nth(&texts, 2)?))
    }
}

/// The path's parameters; none when they are not even UTF-8.
async fn texts<S: Send + Sync>(parts: &mut Parts, state: &S) -> Vec<String> {
    match RawPathParams::from_request_parts(parts, state).await {
        Ok(params) => params.iter().map(|(_, value)| value.to_owned()).collect(),
        Err(_) => Vec::new(),
    }
}

fn nth<T: Resource>(texts: &[String], at: usize) -> Result<T> {
    texts.get(at).and_then(|text| text.parse().ok()).ok_or_else(T::not_found)
}
