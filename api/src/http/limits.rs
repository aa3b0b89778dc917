//! Counts each request of the route table by the class of its route, once it is known who calls.

use axum::RequestExt as _;
use axum::extract::{RawPathParams, Request};
use uuid::Uuid;

use super::address;
use super::observe::RequestFacts;
use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::limit::{Class, named};

/// Counts the request for its caller, or for its address when nobody is known, and leaves the decision for the headers
/// of whatever the answer will be.
///
/// # Errors
/// [`Error::RateLimited`] when it is one too many.
pub(super) async fn enforce(
    app: &App,
    class: Class,
    caller: Option<&Caller>,
    request: &mut Request,
) -> Result<()> {
    let Some(facts) = request.extensions().get::<RequestFacts>().cloned() else {
        return Err(Error::Internal("the observing layer is missing".into()));
    };
    let limit = caller.and_then(|caller| caller.limits.of(class));
    let limit = limit.unwrap_or_else(|| app.limits.configured(class));
    let key = key(class, caller, &facts, request).await;
    facts.heed(app.limits.admit(class, limit, &key).await?);
    Ok(())
}

/// Whom the request counts for: requirements.
async fn key(
    class: Class,
    caller: Option<&Caller>,
    facts: &RequestFacts,
    request: &mut Request,
) -> String {
    if class == Class::QrPoll
        && let Some(session) = first_parameter(request).await
    {
        // However its id is written. Whoever saw the code knows the id, so each address counts for itself.
        let session = Uuid::parse_str(&session).map_or(session, |id| id.to_string());
        return named(&format!("{session} {}", address::subscriber(facts.address)));
    }
    match caller {
        Some(caller) => format!("{}:{}", caller.tenant, caller.principal),
        None => format!("address:{}", address::subscriber(facts.address)),
    }
}

async fn first_parameter(request: &mut Request) -> Option<String> {
    let parameters = request.extract_parts::<RawPathParams>().await.ok()?;
    parameters.iter().next().map(|(_, value)| value.to_owned())
}
