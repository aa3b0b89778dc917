//! `/openapi.json`, and `/docs`: the same document to read and to try out, with nothing from any other host.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderName, HeaderValue, header};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::openapi;
use crate::App;

const DOCUMENT: &str = "/openapi.json";

/// What a page may load and call: itself only.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

static TEXT: LazyLock<String> = LazyLock::new(openapi::text);

/// The two paths. Neither asks for a credential: the document tells nothing of any tenant.
pub(super) fn router() -> Router<App> {
    let config = Config::new([DOCUMENT]).validator_url("none").persist_authorization(false);
    Router::new()
        .route(
            DOCUMENT,
            get(async || ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())),
        )
        .merge(SwaggerUi::new("/docs").config(config))
        .layer(middleware::from_fn(harden))
}

async fn harden(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
