//! Every answer the api gives, in the one envelope of Task 2.5. Handlers and rejections only say *what* they
//! answer; [`seal`] writes it down once, with the request's id and time.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use shared::clock;
use std::sync::Arc;

use crate::error::{Details, Error};

/// Seconds a client should wait before it tries an unavailable service again.
const RETRY_AFTER: &str = "1";

/// 200 with a record.
pub struct Data<T>(pub T);

/// 201 with a record and where it lives.
pub struct Created<T> {
    /// The path of the new record.
    pub location: String,
    /// The record.
    pub data: T,
}

/// 204: done, nothing to say.
pub struct NoContent;

/// 200 with a page of records.
pub struct Listed<T> {
    /// The records of this page.
    pub items: Vec<T>,
    /// Where the page stands.
    pub pagination: Pagination,
    /// Where other pages are: the `Link` header (RFC 8288).
    pub link: Option<HeaderValue>,
}

/// Where a page stands in its list. A page that was reached by a cursor has no number, and its list is not counted.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// Records in the whole list; `null` with `cursor`.
    #[schema(required)]
    pub total: Option<i64>,
    /// This page, from 1; `null` with `cursor`.
    #[schema(required)]
    pub page: Option<i64>,
    /// Records per page.
    pub page_size: i64,
    /// Pages in the whole list; `null` with `cursor`.
    #[schema(required)]
    pub pages: Option<i64>,
    /// The list is longer than 10,000 and was not counted to its end: `total` is a lower bound.
    pub total_is_estimate: bool,
    /// Whether there are records behind this page.
    pub has_more: bool,
    /// What `cursor` goes on with; `null` at the end.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// What a response says, on its way to [`seal`].
#[derive(Clone)]
enum Said {
    Data { json: String, pagination: Option<Pagination> },
    Problem(Arc<Error>),
}

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        say(StatusCode::OK, &self.0, None)
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = say(StatusCode::CREATED, &self.data, None);
        if let Ok(location) = HeaderValue::from_str(&self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let mut response = say(StatusCode::OK, &self.items, Some(self.pagination));
        if let Some(link) = self.link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        match &self {
            Error::Unauthorized(_) => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"liaison\""),
                );
            }
            Error::TokenExpired => {
                let challenge = "Bearer realm=\"liaison\", error=\"invalid_token\"";
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Error::Unavailable(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            }
            _ => {}
        }
        response.extensions_mut().insert(Said::Problem(Arc::new(self)));
        response
    }
}

fn say<T: Serialize + ?Sized>(
    status: StatusCode,
    data: &T,
    pagination: Option<Pagination>,
) -> Response {
    match serde_json::to_string(data) {
        Ok(json) => {
            let mut response = status.into_response();
            response.extensions_mut().insert(Said::Data { json, pagination });
            response
        }
        Err(error) => Error::Internal(error.into()).into_response(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    timestamp: String,
    request_id: &'a str,
}

#[derive(Serialize)]
struct DataEnvelope<'a> {
    success: bool,
    data: &'a serde_json::value::RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
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

/// Writes the envelope of a response, whoever made it: the framework's own plain answers become errors in it too.
/// The error comes back for the log.
#[must_use]
pub fn seal(
    mut response: Response,
    request_id: &str,
    now: DateTime<Utc>,
) -> (Response, Option<Arc<Error>>) {
    let status = response.status();
    let said = match response.extensions_mut().remove::<Said>() {
        Some(said) => said,
        None if status.is_client_error() || status.is_server_error() => {
            Said::Problem(Arc::new(plain(status)))
        }
        None => return (finish(response, request_id), None),
    };
    let metadata = Metadata { timestamp: clock::rfc3339(now), request_id };
    let (written, problem) = match said {
        Said::Data { json, pagination } => (success(json, pagination, metadata), None),
        Said::Problem(error) => {
            let failure = ErrorEnvelope {
                success: false,
                error: error.to_string(),
                code: error.code(),
                details: error.details(),
                metadata,
            };
            (serde_json::to_vec(&failure), Some(error))
        }
    };
    let (mut parts, _) = response.into_parts();
    if let Ok(body) = written {
        json_headers(&mut parts.headers);
        (finish(Response::from_parts(parts, Body::from(body)), request_id), problem)
    } else {
        parts.status = StatusCode::INTERNAL_SERVER_ERROR;
        (finish(Response::from_parts(parts, Body::empty()), request_id), problem)
    }
}

fn success(
    json: String,
    pagination: Option<Pagination>,
    metadata: Metadata<'_>,
) -> serde_json::Result<Vec<u8>> {
    let data = serde_json::value::RawValue::from_string(json)?;
    serde_json::to_vec(&DataEnvelope { success: true, data: &data, pagination, metadata })
}

fn plain(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::NoRoute,
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::UnsupportedMediaType,
        other => Error::Other(other),
    }
}

fn json_headers(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store, private"));
    headers.entry(header::VARY).or_insert(HeaderValue::from_static("Authorization, X-API-Key"));
}

fn finish(mut response: Response, request_id: &str) -> Response {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
