//! Who calls, and whether they may: before the handler, from the route's own entry in the table.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderMap, header};
use shared::db::Origin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::{MAX_PUBLIC_BODY, MostBytes};
use super::deprecation::Deprecation;
use super::envelope::Said;
use super::idempotency::{self, IdempotencyKey};
use super::limits;
use super::observe::RequestFacts;
use super::routes::{Access, Class};
use super::terms::QueryRules;
use crate::App;
use crate::auth::{self, Caller, Credential, Operator, Principal};
use crate::error::{Error, Result};

/// A body that takes longer to arrive has its credential looked at again.
const PROMPT: Duration = Duration::from_secs(1);

/// When a body began to arrive.
#[derive(Clone, Copy)]
pub(crate) struct Begun {
    at: DateTime<Utc>,
    since: Instant,
}

impl Begun {
    pub fn now(app: &App) -> Self {
        Self { at: app.db.clock().now(), since: Instant::now() }
    }

    /// By both clocks: the one may be set back.
    fn is_prompt(self, app: &App) -> bool {
        let took = (app.db.clock().now() - self.at).to_std().unwrap_or_default();
        took.max(self.since.elapsed()) < PROMPT
    }
}

/// What one route asks for.
#[derive(Clone)]
pub struct Guard {
    pub(super) app: App,
    pub(super) access: Access,
    pub(super) class: Class,
    pub(super) contract: Arc<QueryRules>,
    pub(super) deprecation: Option<Deprecation>,
}

/// Authenticates, counts, then checks the right; a public route is counted only. What could not be authenticated
/// through no fault of the caller's is not counted. Then reads how the caller wants it done.
pub async fn authorize(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = admit(&guard, request, next).await.into_response();
    if let Some(deprecation) = guard.deprecation {
        deprecation.tell(response.headers_mut());
    }
    response
}

async fn admit(guard: &Guard, mut request: Request, next: Next) -> Result<Response> {
    let found = if guard.access == Access::Public {
        Ok(None)
    } else {
        let facts = request.extensions().get::<RequestFacts>().cloned();
        let facts =
            facts.ok_or_else(|| Error::Internal("the observing layer is missing".into()))?;
        match request.extensions().get::<Operator>() {
            Some(operator) => Ok(Some(Caller::operator(*operator, facts.origin()))),
            None => identify(&guard.app, request.headers(), facts).await.map(Some),
        }
    };
    // Who calls is not known yet, or has to be told to refresh: neither may use up the limit of an address that many
    // share.
    if let Err(error @ (Error::Unavailable(_) | Error::Internal(_) | Error::TokenExpired)) = found {
        return Err(error);
    }
    let known = found.as_ref().ok().and_then(Option::as_ref);
    limits::enforce(&guard.app, guard.class, known, &mut request).await?;
    let caller = found?;
    if let Some(caller) = &caller {
        permit(caller, guard.access)?;
    }
    let (dry_run, fields) = guard.contract.read(&mut request)?;
    let mut response = match caller {
        None => {
            request.extensions_mut().insert(MostBytes(MAX_PUBLIC_BODY));
            next.run(request).await
        }
        Some(mut caller) => {
            caller.terms.dry_run = dry_run;
            if !request.method().is_safe() {
                // A dry run keeps no answer, but a bad key is refused.
                let key = idempotency::key(request.headers())?.filter(|_| !dry_run);
                let whole = guard.contract.whole();
                let begun = Begun::now(&guard.app);
                (caller.terms.idempotency_key, request) =
                    IdempotencyKey::read(key, request, whole).await?;
                confirm(&guard.app, request.headers(), &caller, begun).await?;
            }
            repeatable(&guard.app, caller, request, next).await?
        }
    };
    if let (Some(fields), Some(said)) = (fields, response.extensions_mut().get_mut::<Said>()) {
        fields.prune(said);
    }
    Ok(response)
}

/// Runs the handler, unless the request repeats one that was answered.
async fn repeatable(
    app: &App,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let Some(key) = caller.terms.idempotency_key.clone() else {
        request.extensions_mut().insert(caller);
        return Ok(next.run(request).await);
    };
    if let Some(earlier) = key.earlier(app, &caller).await? {
        return Ok(earlier.into_response());
    }
    request.extensions_mut().insert(caller.clone());
    let response = next.run(request).await;
    // The same request may have been under way and quicker: its answer is the answer, whatever this one met with, such
    // as the record that the other has made.
    let refused = matches!(response.extensions().get(), Some(Said::Problem(error)) if error.status().is_client_error());
    if !refused {
        return Ok(response);
    }
    match key.earlier(app, &caller).await {
        Ok(Some(earlier)) => Ok(earlier.into_response()),
        Err(Error::KeyReused) => Err(Error::KeyReused),
        // Otherwise the refusal stands.
        Ok(None) | Err(_) => Ok(response),
    }
}

pub(crate) fn permit(caller: &Caller, access: Access) -> Result<()> {
    match access {
        Access::Scope(scope) if !caller.holds(scope) => Err(Error::InsufficientScope(scope)),
        Access::User => caller.user().map(|_| ()),
        Access::Session => caller.session().map(|_| ()),
        _ => Ok(()),
    }
}

/// Whom a request's headers name now; of a token, if it had not ended by `as_of`.
///
/// # Errors
/// [`Error::Unauthorized`], [`Error::InvalidToken`], [`Error::TokenExpired`], [`Error::Forbidden`].
pub(crate) async fn recognise(
    app: &App,
    headers: &HeaderMap,
    origin: Origin,
    as_of: DateTime<Utc>,
) -> Result<Caller> {
    auth::authenticate(app, credential(headers)?, origin, as_of).await
}

/// Looks at the credential again of a request whose body has been arriving since `begun`, unless that took no second:
/// who holds a body back gets nothing past the revocation. A token that has only expired meanwhile was in time.
///
/// # Errors
/// As for [`recognise`]; [`Error::InsufficientScope`] where it may do less than before.
pub(crate) async fn confirm(
    app: &App,
    headers: &HeaderMap,
    caller: &Caller,
    begun: Begun,
) -> Result<()> {
    if begun.is_prompt(app) || caller.principal == Principal::Operator {
        return Ok(());
    }
    let now = recognise(app, headers, caller.origin.clone(), begun.at).await?;
    match caller.scopes().find(|scope| !now.holds(*scope)) {
        Some(scope) => Err(Error::InsufficientScope(scope)),
        None => Ok(()),
    }
}

async fn identify(app: &App, headers: &HeaderMap, facts: RequestFacts) -> Result<Caller> {
    let caller = recognise(app, headers, facts.origin(), app.db.clock().now()).await?;
    tracing::record_all!(facts.span, tenant_id = %caller.tenant, principal = %caller.principal);
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
