//! Signing keys over HTTP.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use shared::id::WebhookId;
use shared::scope::Scope;

use super::WebhookSecrets;
use super::input::SecretRotation;
use super::jwks::{self, KeySet};
use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::http::doc::Doc;
use crate::http::routes::{Class, Routes};
use crate::http::{Data, Id, IfMatch, OptionalBody, Reply};

const SECRET: &str = "/api/v1/webhooks/{id}/secret";
const PUBLIC_KEYS: &str = "/.well-known/webhook-keys/{id}";

/// The media type of RFC 7517.
const JWK_SET: &str = "application/jwk-set+json";

/// How long receivers may keep public keys: a rotation without overlap is seen after this at the latest.
const FRESH: &str = "public, max-age=300";

/// What can be done with signing keys.
pub fn routes() -> Routes {
    Routes::under("", "Webhooks")
        .get(
            SECRET,
            Scope::WebhooksSecrets,
            reveal,
            Doc::data::<WebhookSecrets>("revealWebhookSecret", "Show a webhook's secrets in full")
                .refuses(&[409]),
        )
        .post(
            &format!("{SECRET}/rotate"),
            Scope::WebhooksWrite,
            rotate,
            Doc::data::<WebhookSecrets>("rotateWebhookSecret", "Give a webhook a new secret")
                .optional_body::<SecretRotation>()
                .conditional()
                .conflict("Three replaced secrets still sign"),
        )
        .public_get(
            PUBLIC_KEYS,
            Class::Read,
            public_keys,
            Doc::bare::<KeySet>(
                "getWebhookPublicKeys",
                "Get the keys that verify a webhook's v1a signatures",
                JWK_SET,
            ),
        )
}

/// Commits although it only reads: the entry in the audit log comes before the answer.
async fn reveal(caller: Caller, State(app): State<App>, Id(id): Id<WebhookId>) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let secrets = super::reveal(&mut tx, id, &app.config.keyring).await;
    app.commit(&caller, tx, secrets.map(Data)).await
}

async fn rotate(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<WebhookId>,
    seen: IfMatch,
    OptionalBody(rotation): OptionalBody<SecretRotation>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let secrets = super::rotate(&mut tx, id, &seen, rotation, &app.config.keyring).await;
    app.commit(&caller, tx, secrets.map(Data)).await
}

async fn public_keys(State(app): State<App>, Id(id): Id<WebhookId>) -> Result<Response> {
    let keys = jwks::public_keys(&app.db, id).await?;
    let body = serde_json::to_vec(&keys).map_err(|error| Error::Internal(error.into()))?;
    let headers = [(header::CONTENT_TYPE, JWK_SET), (header::CACHE_CONTROL, FRESH)];
    Ok((headers, body).into_response())
}
