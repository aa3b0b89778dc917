//! `/openapi.json`, and `/docs`: the same document to read and to try out, with nothing from any other host.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::openapi;
use crate::App;

const DOCUMENT: &str = "/openapi.json";

/// What a page may load and call: itself only.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// The two paths. Neither asks for a credential: the document tells nothing of any tenant.
pub(super) fn router() -> Router<App> {
    let document = openapi::document(&crate::routes());
    let config = Config::new([DOCUMENT]).validator_url("none").persist_authorization(false);
    let pages = SwaggerUi::new("/docs").config(config).external_url_unchecked(DOCUMENT, document);
    Router::new().merge(pages).layer(middleware::from_fn(harden))
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
