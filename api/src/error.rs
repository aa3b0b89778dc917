//! Everything that can go wrong for a caller, with one table of statuses and codes. Internals never leave.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use shared::db::fault;
use shared::scope::Scope;

pub use crate::details::Details;
use crate::details::shown;
use crate::limit::Decision;

/// Every code there is (requirement F-3).
pub const CODES: &[&str] = &[
    "VALIDATION_ERROR",
    "BAD_REQUEST",
    "INVALID_JSON",
    "UNAUTHORIZED",
    "TOKEN_EXPIRED",
    "INSUFFICIENT_SCOPE",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "REQUEST_TIMEOUT",
    "CONFLICT",
    "PIPELINE_NOT_EMPTY",
    "QR_SESSION_STATE",
    "IDEMPOTENCY_CONFLICT",
    "EVENTS_EXPIRED",
    "PRECONDITION_FAILED",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "IDEMPOTENCY_KEY_REUSED",
    "RATE_LIMITED",
    "INTERNAL_ERROR",
    "SERVICE_UNAVAILABLE",
];

/// The result of a handler or a use case.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields or parameters that break their rules, all of them.
    #[error("Validation failed")]
    Invalid(Details),
    /// The request makes no sense as a whole.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// The body is not JSON.
    #[error("The body is not valid JSON: {0}")]
    InvalidJson(String),
    /// No credential, or none that can be read.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// A credential that is not known, or no longer good.
    #[error("{0}")]
    InvalidToken(&'static str),
    /// An access token after its time.
    #[error("The access token has expired")]
    TokenExpired,
    /// The caller is known and may not do this.
    #[error("This needs the scope {0}")]
    InsufficientScope(Scope),
    /// The caller is known, and no scope would help.
    #[error("{0}")]
    Forbidden(&'static str),
    /// No such record in the caller's tenant.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// No such path.
    #[error("No such route")]
    NoRoute,
    /// The path exists, the method does not.
    #[error("Method not allowed")]
    MethodNotAllowed,
    /// The record's state does not allow it.
    #[error("{0}")]
    Conflict(Cow<'static, str>),
    /// Stages that would go still hold so many leads.
    #[error(
        "Stages that would be removed hold leads ({0}); name the stage that they move to in moveLeadsTo"
    )]
    PipelineNotEmpty(i64),
    /// A sign-in by QR code is in another state than the step needs (requirement A-7).
    #[error("The QR session does not allow this: it is {0}")]
    QrSessionState(&'static str),
    /// Another record has what only one may have; the details name it (requirement C-8).
    #[error("{0}")]
    Taken(&'static str, Details),
    /// Events behind the number that was named are kept no longer; the oldest that is has this one.
    #[error("Events behind this number are kept no longer; the oldest is {oldest}")]
    EventsExpired {
        /// The number of the oldest event that is kept.
        oldest: i64,
    },
    /// The record is no longer as `If-Match` says; it has this version.
    #[error("The record has changed: it has version {0}")]
    PreconditionFailed(i32),
    /// Another request with the same `Idempotency-Key` is under way.
    #[error("A request with this Idempotency-Key is under way")]
    KeyInUse,
    /// The `Idempotency-Key` belongs to another request.
    #[error("The Idempotency-Key was used for another request")]
    KeyReused,
    /// The body is larger than the limit, in bytes.
    #[error("The body is larger than {0} bytes")]
    PayloadTooLarge(usize),
    /// The body is of a type that this route does not read; it reads these.
    #[error("Send the body as {0}")]
    UnsupportedMediaType(&'static str),
    /// The body did not arrive in time.
    #[error("The body did not arrive in time")]
    SlowBody,
    /// One request too many.
    #[error("Too many requests")]
    RateLimited(Decision),
    /// The tenant has as many of these under way as it may.
    #[error("{0}")]
    TooManyAtOnce(&'static str),
    /// Too busy, too slow, or the database is away: worth another try.
    #[error("The service is temporarily unavailable")]
    Unavailable(#[source] BoxError),
    /// A fault of ours.
    #[error("Internal server error")]
    Internal(#[source] BoxError),
    /// An answer of the framework's own that says only a status.
    #[error("{}", .0.canonical_reason().unwrap_or("Request failed"))]
    Other(StatusCode),
}

/// Any error, kept for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    fn of_database(transient: bool, error: BoxError) -> Self {
        if transient { Self::Unavailable(error) } else { Self::Internal(error) }
    }

    /// One field that breaks its rule.
    pub fn field(name: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Invalid(Details::from([(name.into(), fault.into())]))
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.face().0
    }

    /// The stable code (requirement F-3).
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.face().1
    }

    fn face(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "VALIDATION_ERROR"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
            Self::InvalidJson(_) => (StatusCode::BAD_REQUEST, "INVALID_JSON"),
            Self::Unauthorized(_) | Self::InvalidToken(_) => {
                (StatusCode::UNAUTHORIZED, "UNAUTHORIZED")
            }
            Self::TokenExpired => (StatusCode::UNAUTHORIZED, "TOKEN_EXPIRED"),
            Self::InsufficientScope(_) => (StatusCode::FORBIDDEN, "INSUFFICIENT_SCOPE"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "FORBIDDEN"),
            Self::NotFound(_) | Self::NoRoute => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
            Self::PipelineNotEmpty(_) => (StatusCode::CONFLICT, "PIPELINE_NOT_EMPTY"),
            Self::Conflict(_) | Self::Taken(..) => (StatusCode::CONFLICT, "CONFLICT"),
            Self::QrSessionState(_) => (StatusCode::CONFLICT, "QR_SESSION_STATE"),
            Self::EventsExpired { .. } => (StatusCode::GONE, "EVENTS_EXPIRED"),
            Self::PreconditionFailed(_) => (StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED"),
            Self::KeyInUse => (StatusCode::CONFLICT, "IDEMPOTENCY_CONFLICT"),
            Self::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED"),
            Self::PayloadTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE")
            }
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT"),
            Self::RateLimited(_) | Self::TooManyAtOnce(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED")
            }
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
            Self::Other(status) if status.is_client_error() => (*status, "BAD_REQUEST"),
            Self::Other(status) => (*status, "INTERNAL_ERROR"),
        }
    }

    /// What `details` shows, if anything.
    #[must_use]
    pub fn details(&self) -> Option<Details> {
        match self {
            Self::Invalid(details) | Self::Taken(_, details) => Some(shown(details.clone())),
            Self::InsufficientScope(scope) => {
                Some(Details::from([("scope".into(), scope.to_string())]))
            }
            Self::QrSessionState(status) => {
                Some(Details::from([("status".into(), (*status).to_owned())]))
            }
            Self::PipelineNotEmpty(leads) => {
                Some(Details::from([("leads".into(), leads.to_string())]))
            }
            Self::EventsExpired { oldest } => {
                Some(Details::from([("oldest".into(), oldest.to_string())]))
            }
            Self::RateLimited(decision) => Some(decision.details()),
            Self::PreconditionFailed(version) => {
                Some(Details::from([("version".into(), version.to_string())]))
            }
            _ => None,
        }
    }

    /// The error and its causes, for the log only.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = match self {
            // The rest may quote what the caller sent.
            Self::InvalidJson(_) => "The body is not valid JSON".to_owned(),
            _ => self.to_string(),
        };
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// A database error is either the weather (try again) or a fault of ours; rules that the database keeps are
/// translated before they get here.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::of_database(fault::is_transient(&error), error.into())
    }
}

/// A fault that several requests share.
impl From<Arc<sqlx::Error>> for Error {
    fn from(error: Arc<sqlx::Error>) -> Self {
        Self::of_database(fault::is_transient(&error), error.into())
    }
}
