//! Reads a JSON body: of the right type, at most [`MAX_BODY`] bytes, arriving in time, and valid in every field.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;

use super::authorize::{Begun, confirm};
use super::fields::{Fields, Input};
use super::json::{self, Value};
use crate::App;
use crate::error::{Error, Result};

/// The largest body in bytes: 1 MiB.
pub const MAX_BODY: usize = 1024 * 1024;

/// The same where nobody knows who sends it: 8 KiB.
pub(super) const MAX_PUBLIC_BODY: usize = 8 * 1024;

/// How large the body of a request may be, as an extension, where it is less than [`MAX_BODY`].
#[derive(Clone, Copy, Debug)]
pub(super) struct MostBytes(pub usize);

impl MostBytes {
    fn of(request: &Request) -> usize {
        request.extensions().get::<Self>().map_or(MAX_BODY, |most| most.0)
    }
}

/// A longer body is read on to here and thrown away, so that its sender gets the answer instead of a reset.
const MAX_DRAIN: usize = 16 * MAX_BODY;

/// How long a body may take to arrive.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The type that bodies have.
pub(super) const JSON: &str = "application/json";

/// A body whose every field is valid.
pub struct Valid<T>(pub T);

impl<T: Input> FromRequest<App> for Valid<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        require_json(request.headers())?;
        parse(&arrived(request, app).await?, app).map(Valid)
    }
}

/// A body that may be missing, which is as good as an empty object.
pub struct OptionalBody<T>(pub T);

impl<T: Input> FromRequest<App> for OptionalBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let declared = require_json(request.headers());
        let body = arrived(request, app).await?;
        if body.is_empty() {
            return parse(b"{}", app).map(Self);
        }
        declared?;
        parse(&body, app).map(Self)
    }
}

/// The body, and whoever sends it still may.
async fn arrived(request: Request, app: &App) -> Result<Bytes> {
    let most = MostBytes::of(&request);
    let (parts, body) = request.into_parts();
    let begun = Begun::now(app);
    let body = read(body, most).await?;
    if let Some(caller) = parts.extensions.get() {
        confirm(app, &parts.headers, caller, begun).await?;
    }
    Ok(body)
}

fn parse<T: Input>(body: &[u8], app: &App) -> Result<T> {
    let Value::Object(members) = json::parse(body)? else {
        return Err(no_object());
    };
    Fields::new(members, &app.config.targets).read()
}

/// What is said of a body that is other JSON.
pub(crate) fn no_object() -> Error {
    Error::BadRequest("The body must be a JSON object".into())
}

/// `application/json` or `application/…+json`, with any parameters.
fn require_json(headers: &HeaderMap) -> Result<()> {
    let text =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if json { Ok(()) } else { Err(Error::UnsupportedMediaType(JSON)) }
}

/// The whole of a body that is small enough and arrives in time.
pub(super) async fn read(body: Body, most: usize) -> Result<Bytes> {
    tokio::time::timeout(TIMEOUT, collect(body, most)).await.map_err(|_| Error::SlowBody)?
}

async fn collect(mut body: Body, most: usize) -> Result<Bytes> {
    let mut kept = BytesMut::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::BadRequest("The body broke off".into()))?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= most {
            kept.extend_from_slice(&data);
        } else if seen > MAX_DRAIN {
            break;
        }
    }
    if seen > most { Err(Error::PayloadTooLarge(most)) } else { Ok(kept.freeze()) }
}
