//! Who calls, and whether they may: before the handler, from the route's own entry in the table.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, header};

use super::RequestFacts;
use super::routes::Access;
use crate::App;
use crate::auth::{self, Caller, Credential};
use crate::error::{Details, Error, Result};

/// What one route asks for.
#[derive(Clone)]
pub struct Guard {
    pub(super) app: App,
    pub(super) access: Access,
    pub(super) takes_query: bool,
}

/// Authenticates, then checks the right; a public route asks for neither.
pub async fn authorize(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    if guard.access != Access::Public {
        let facts = request.extensions().get::<RequestFacts>().cloned();
        let caller = identify(&guard.app, request.headers(), facts).await;
        match caller.and_then(|caller| permit(caller, guard.access)) {
            Ok(caller) => request.extensions_mut().insert(caller),
            Err(error) => return error.into_response(),
        };
    }
    if !guard.takes_query
        && let Some(error) = unknown_parameters(request.uri().query().unwrap_or_default())
    {
        return error.into_response();
    }
    next.run(request).await
}

fn permit(caller: Caller, access: Access) -> Result<Caller> {
    match access {
        Access::Public => Ok(caller),
        Access::User => caller.user().map(|_| caller),
        Access::Scope(scope) if caller.holds(scope) => Ok(caller),
        Access::Scope(scope) => Err(Error::InsufficientScope(scope)),
    }
}

/// Every parameter of a route that takes none (requirement F-10); routes that take some read them by themselves.
fn unknown_parameters(query: &str) -> Option<Error> {
    let unknown: Details = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, _)| (name.into_owned(), "Unknown parameter".to_owned()))
        .collect();
    (!unknown.is_empty()).then_some(Error::Invalid(unknown))
}

async fn identify(app: &App, headers: &HeaderMap, facts: Option<RequestFacts>) -> Result<Caller> {
    let credential = credential(headers)?;
    let facts = facts.ok_or_else(|| Error::Internal("the observing layer is missing".into()))?;
    let caller = auth::authenticate(app, credential, facts.origin()).await?;
    facts.span.record("tenant_id", tracing::field::display(caller.tenant));
    facts.span.record("principal", tracing::field::display(&caller.principal));
    Ok(caller)
}

/// `X-API-Key`, or `Authorization: Bearer` with a key or an access token; not both.
fn credential(headers: &HeaderMap) -> Result<Credential<'_>> {
    let text = |name| {
        headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or_default())
    };
    let bearer = match text(header::AUTHORIZATION) {
        None => None,
        Some(value) => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
            _ => return Err(Error::Unauthorized("Authorization must be Bearer and a token")),
        },
    };
    match (text(header::HeaderName::from_static("x-api-key")), bearer) {
        (Some(_), Some(_)) => {
            Err(Error::Unauthorized("Send either X-API-Key or Authorization, not both"))
        }
        (Some(key), None) => Ok(Credential::ApiKey(key)),
        (None, Some(token)) if token.starts_with(auth::api_key::PREFIX) => {
            Ok(Credential::ApiKey(token))
        }
        (None, Some(token)) => Ok(Credential::AccessToken(token)),
        (None, None) => Err(Error::Unauthorized("Send an API key or an access token")),
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts
            .extensions
            .get::<Caller>()
            .cloned()
            .ok_or(Error::Unauthorized("Send an API key or an access token"))
    }
}
