//! The one envelope (requirements F-1 to F-3), around every answer whoever made it: the framework's own plain answers
//! become errors in it too. `Accept: application/problem+json` asks for errors in the form of RFC 9457 instead.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::clock;

use super::answer::{Pagination, Reply};
use super::body::JSON;
use super::catalogue;
use super::etag;
use crate::error::{Details, Error};

/// Seconds a client should wait before it tries an unavailable service again.
const RETRY_AFTER: &str = "1";

/// What a response says, on its way to [`seal`].
#[derive(Clone)]
pub(super) enum Said {
    /// All is well.
    Data(Box<Reply>),
    /// It is not.
    Problem(Arc<Error>),
}

/// What the request knows of the form of its answer.
pub struct Form<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The time of the answer.
    pub now: DateTime<Utc>,
    /// Errors as RFC 9457 has them.
    pub problem_json: bool,
    /// `If-None-Match` of a request that reads.
    pub known: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    timestamp: String,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<&'static str>>,
}

#[derive(Serialize)]
struct DataEnvelope<'a> {
    success: bool,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<&'a Pagination>,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct ErrorEnvelope<'a> {
    success: bool,
    error: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    metadata: Metadata<'a>,
}

/// RFC 9457; `code` and `errors` are extension members.
#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    instance: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Details>,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = challenge(&self) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Error::Unavailable(_) | Error::TooManyAtOnce(_) = &self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response.extensions_mut().insert(Said::Problem(Arc::new(self)));
        response
    }
}

/// What a refused caller is told of how to authenticate (RFC 6750 §3): without an error when it brought nothing.
fn challenge(error: &Error) -> Option<HeaderValue> {
    let fault = match error {
        Error::Unauthorized(_) => "",
        Error::InvalidToken(_) | Error::TokenExpired => ", error=\"invalid_token\"",
        Error::InsufficientScope(scope) => {
            &format!(", error=\"insufficient_scope\", scope=\"{scope}\"")
        }
        _ => return None,
    };
    HeaderValue::from_str(&format!("Bearer realm=\"liaison\"{fault}")).ok()
}

/// The error that a response is yet to be written for.
#[must_use]
pub fn problem(response: &Response) -> Option<&Error> {
    match response.extensions().get() {
        Some(Said::Problem(error)) => Some(error),
        _ => None,
    }
}

/// Writes the envelope of a response. The error comes back for the log.
#[must_use]
pub fn seal(mut response: Response, form: &Form<'_>) -> (Response, Option<Arc<Error>>) {
    let status = response.status();
    let said = match response.extensions_mut().remove::<Said>() {
        Some(said) => said,
        None if status.is_client_error() || status.is_server_error() => {
            Said::Problem(Arc::new(plain(status)))
        }
        None => return (finish(response, form), None),
    };
    match said {
        Said::Data(reply) => (finish(success(response, *reply, form), form), None),
        Said::Problem(error) => (finish(failure(response, &error, form), form), Some(error)),
    }
}

fn success(mut response: Response, reply: Reply, form: &Form<'_>) -> Response {
    if reply.replayed {
        let replayed = HeaderValue::from_static("true");
        response.headers_mut().insert("idempotency-replayed", replayed);
    }
    let Some(data) = reply.data else { return response };
    let tag = etag::of(&data, reply.version, reply.pagination.as_ref());
    if reply.rehearsed.is_none()
        && let Ok(tag) = HeaderValue::from_str(&tag)
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if form.known.is_some_and(|known| etag::names(known, &tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        private(response.headers_mut());
        return response;
    }
    let events = reply
        .rehearsed
        .map(|announced| announced.into_iter().map(shared::event::EventType::as_str).collect());
    let metadata = Metadata { dry_run: events.as_ref().map(|_| true), events, ..metadata(form) };
    let body = RawValue::from_string(data).and_then(|data| {
        let pagination = reply.pagination.as_ref();
        serde_json::to_vec(&DataEnvelope { success: true, data: &data, pagination, metadata })
    });
    with_body(response, body, "application/json")
}

fn failure(mut response: Response, error: &Error, form: &Form<'_>) -> Response {
    let (status, code) = (error.status(), error.code());
    if let Some(help) = catalogue::link(code) {
        response.headers_mut().append(header::LINK, help);
    }
    if form.problem_json {
        let problem = Problem {
            kind: format!("urn:liaison:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: error.to_string(),
            instance: format!("urn:request:{}", form.request_id),
            code,
            errors: error.details(),
        };
        return with_body(response, serde_json::to_vec(&problem), "application/problem+json");
    }
    let envelope = ErrorEnvelope {
        success: false,
        error: error.to_string(),
        code,
        details: error.details(),
        metadata: metadata(form),
    };
    with_body(response, serde_json::to_vec(&envelope), "application/json")
}

fn metadata<'a>(form: &Form<'a>) -> Metadata<'a> {
    let timestamp = clock::rfc3339(form.now);
    Metadata { timestamp, request_id: form.request_id, dry_run: None, events: None }
}

fn with_body(
    response: Response,
    body: serde_json::Result<Vec<u8>>,
    content_type: &'static str,
) -> Response {
    let (mut parts, _) = response.into_parts();
    let Ok(body) = body else {
        parts.status = StatusCode::INTERNAL_SERVER_ERROR;
        return Response::from_parts(parts, Body::empty());
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    private(&mut parts.headers);
    Response::from_parts(parts, Body::from(body))
}

fn plain(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::NoRoute,
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::UnsupportedMediaType(JSON),
        other => Error::Other(other),
    }
}

fn private(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store, private"));
    let vary = HeaderValue::from_static("Accept, Authorization, X-API-Key");
    headers.entry(header::VARY).or_insert(vary);
}

fn finish(mut response: Response, form: &Form<'_>) -> Response {
    if let Ok(id) = HeaderValue::from_str(form.request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
