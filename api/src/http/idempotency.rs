//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the answer of a write is kept with the commit of
//! its change, so that a repetition gets the same answer and changes nothing, also after a crash in between.

use axum::body::Body;
use axum::extract::Request;
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use shared::db::fault;
use shared::{TenantTx, idempotency};

use super::answer::Reply;
use super::body;
use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Result};

const HEADER: &str = "idempotency-key";
/// The longest key, in bytes.
const LONGEST: usize = 255;
/// How long an answer is kept.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// A request that is to be carried out once.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    key: String,
    fingerprint: Vec<u8>,
}

impl IdempotencyKey {
    /// The request's key and fingerprint, when it has a key. The request comes back with its body read.
    ///
    /// # Errors
    /// The body's faults.
    pub(super) async fn read(
        key: Option<String>,
        request: Request,
        whole: bool,
    ) -> Result<(Option<Self>, Request)> {
        let Some(key) = key else { return Ok((None, request)) };
        let (parts, stream) = request.into_parts();
        let mut digest = Sha256::new();
        digest.update(parts.method.as_str());
        digest.update([0]);
        // Not the whole URI: HTTP/2 and the absolute form name the host too, and a repetition may come another way.
        digest.update(parts.uri.path_and_query().map_or("", |target| target.as_str()));
        digest.update([0]);
        let stream = if whole {
            let bytes = body::read(stream, body::MAX_BODY).await?;
            digest.update(&bytes);
            Body::from(bytes)
        } else {
            // Too long to be held: its declared length and type stand for it, without a form's random boundary.
            for name in [http::header::CONTENT_LENGTH, http::header::CONTENT_TYPE] {
                let value = parts.headers.get(name).map_or(&[][..], http::HeaderValue::as_bytes);
                digest.update(value.split(|byte| *byte == b';').next().unwrap_or_default());
                digest.update([0]);
            }
            stream
        };
        let read = Self { key, fingerprint: digest.finalize().to_vec() };
        Ok((Some(read), Request::from_parts(parts, stream)))
    }

    /// The answer that this key got before.
    ///
    /// # Errors
    /// [`Error::KeyReused`] when it was another request's.
    pub(super) async fn earlier(&self, app: &App, caller: &Caller) -> Result<Option<Reply>> {
        let mut tx = app.begin(caller).await?;
        let now = tx.now();
        let found = sqlx::query!(
            "select fingerprint, answer from idempotency_keys
             where principal = $1 and key = $2 and expires_at > $3",
            caller.principal.to_string(),
            self.key,
            now,
        )
        .fetch_optional(tx.conn())
        .await;
        let Some(row) = tx.finish(found).await? else { return Ok(None) };
        if row.fingerprint != self.fingerprint {
            return Err(Error::KeyReused);
        }
        let opened = app.config.keyring.open(&row.answer, &self.place(caller));
        let opened = opened.map_err(|error| Error::Internal(error.into()))?;
        let reply: Reply = serde_json::from_slice(opened.expose())
            .map_err(|error| Error::Internal(error.into()))?;
        Ok(Some(reply.replayed()))
    }

    /// Keeps the answer with the change that it tells of.
    ///
    /// # Errors
    /// [`Error::KeyInUse`] when another request with the key was quicker: this one must not commit.
    pub(crate) async fn keep(
        &self,
        app: &App,
        caller: &Caller,
        tx: &mut TenantTx,
        reply: &Reply,
    ) -> Result<()> {
        let json = serde_json::to_vec(reply).map_err(|error| Error::Internal(error.into()))?;
        let sealed = app.config.keyring.seal(&json, &self.place(caller));
        let sealed = sealed.map_err(|error| Error::Internal(error.into()))?;
        let (tenant, now) = (tx.tenant(), tx.now());
        let kept = sqlx::query!(
            "insert into idempotency_keys as k (tenant_id, principal, key, fingerprint, answer, expires_at, record)
             values ($1, $2, $3, $4, $5, $6, $8)
             on conflict (tenant_id, principal, key) do update
             set fingerprint = excluded.fingerprint, answer = excluded.answer, expires_at = excluded.expires_at,
                 record = excluded.record
             where k.expires_at <= $7",
            tenant.0,
            caller.principal.to_string(),
            self.key,
            self.fingerprint,
            sealed,
            now + KEPT,
            now,
            reply.record(),
        )
        .execute(tx.conn())
        .await;
        match kept {
            Ok(done) if done.rows_affected() == 1 => Ok(()),
            Ok(_) => Err(Error::KeyInUse),
            // It waited for the other request as long as a lock may be waited for.
            Err(error) if fault::is_lock_timeout(&error) => Err(Error::KeyInUse),
            Err(error) => Err(error.into()),
        }
    }

    /// Where the sealed answer belongs; elsewhere it does not open.
    fn place(&self, caller: &Caller) -> Vec<u8> {
        idempotency::aad(caller.tenant, &caller.principal.to_string(), &self.key)
    }
}

/// The key that a request carries.
///
/// # Errors
/// [`Error::Invalid`] for a key that is none.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let fault = format!("Must be 1 to {LONGEST} visible ASCII characters");
        return Err(Error::field("Idempotency-Key", fault));
    }
    Ok(Some(text.to_owned()))
}
