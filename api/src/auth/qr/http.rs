//! Signing in by QR code over HTTP.

use axum::Extension;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::header::{self, HeaderName};
use http::{HeaderMap, StatusCode};
use shared::id::QrSessionId;

use super::{
    Decided, Link, NewQrSession, Outcome, PATH, Phone, QrSession, QrStatus, Redeem, Scan, Scanned,
    Status, events,
};
use crate::App;
use crate::auth::sessions::{Client, PROMPT, SignedIn};
use crate::auth::{Caller, Principal};
use crate::error::{Error, Result};
use crate::http::doc::Doc;
use crate::http::routes::{Access, Class, Routes};
use crate::http::{
    Created, Data, Deadline, Id, NoContent, OptionalBody, Reply, RequestFacts, Resource, Valid,
};

/// The header that carries the poll secret.
const SECRET: HeaderName = HeaderName::from_static("x-qr-poll-secret");

/// Seconds that the longest sign-in takes, with the ten in which tokens may be asked for again.
const COOKIE_AGE: u32 = 60 + 120 + 60 + 10;

/// What the document says of it.
const SECRET_WHAT: &str = "The `pollSecret` of the session; not needed by who has it in its cookie";

const STATE: &str = "The session is in another state (`QR_SESSION_STATE`)";

/// The steps of a sign-in.
pub fn routes() -> Routes {
    use Access::{Public, Session};
    Routes::under(PATH, "Signing in")
        .public_post("/generate", Class::Qr, generate, generate_doc())
        .post(
            "/scan",
            Session,
            scan,
            Doc::data::<Scanned>("scanQrSession", "Phone: take a scanned QR code")
                .body::<Scan>()
                .refuses(&[404])
                .conflict(STATE),
        )
        .limited(Class::Qr)
        .post(
            "/link",
            Session,
            link,
            Doc::data::<Decided>("linkQrSession", "Phone: approve or deny")
                .body::<Link>()
                .refuses(&[404])
                .conflict(STATE),
        )
        .limited(Class::Qr)
        .public_get(
            "/{id}",
            Class::QrPoll,
            status,
            Doc::data::<QrStatus>("getQrSession", "Desktop: where the session stands")
                .header("X-QR-Poll-Secret", SECRET_WHAT),
        )
        .public_get("/{id}/events", Class::QrPoll, watch, watch_doc())
        .public_post(
            "/{id}/token",
            Class::QrPoll,
            redeem,
            Doc::data::<SignedIn>("redeemQrSession", "Desktop: take the tokens")
                .body::<Redeem>()
                .header("X-QR-Poll-Secret", SECRET_WHAT)
                .conflict(STATE),
        )
        .delete(
            "/{id}",
            Public,
            cancel,
            Doc::done("cancelQrSession", "Desktop: give up")
                .header("X-QR-Poll-Secret", SECRET_WHAT)
                .conflict(STATE),
        )
        .limited(Class::QrPoll)
}

fn generate_doc() -> Doc {
    Doc::created::<QrSession>("generateQrSession", "Desktop: ask for a QR code")
        .optional_body::<NewQrSession>()
        .answers_with("Set-Cookie", "The poll secret, where `cookie` asked for it")
        .conflict("Too many sessions are under way from this address")
}

fn watch_doc() -> Doc {
    let example = "event: status\nid: pending\ndata: {\"status\":\"pending\"}\n\n";
    Doc::events("watchQrSession", "Desktop: hear where the session stands", example)
        .silent("A final status was heard already: `EventSource` does not come again")
        .header("X-QR-Poll-Secret", SECRET_WHAT)
        .header("Last-Event-ID", "The status that was heard last; behind a final one comes nothing")
        .answers_with("X-Accel-Buffering", "`no`: proxies are not to hold events back")
        .conflict("Four answers about the session stay open already")
}

async fn generate(
    State(app): State<App>,
    client: Client,
    OptionalBody(new): OptionalBody<NewQrSession>,
) -> Result<impl IntoResponse> {
    let mut data = super::generate(&app.db, &app.config.public_url, &new, &client).await?;
    let secret = if new.cookie { data.poll_secret.take() } else { None };
    let cookie = secret.map(|secret| (header::SET_COOKIE, cookie(data.id, &secret)));
    Ok((AppendHeaders(cookie), Created { location: data.links.status.clone(), data }))
}

async fn scan(
    caller: Caller,
    State(app): State<App>,
    Extension(facts): Extension<RequestFacts>,
    Valid(body): Valid<Scan>,
) -> Result<Reply> {
    let phone = Phone { user: caller.session()?, network: facts.network() };
    let mut tx = app.begin(&caller).await?;
    let scanned = super::scan(&mut tx, &app.config.pepper, &phone, body.qr_token.expose()).await;
    app.commit(&caller, tx, scanned.map(Data)).await
}

async fn link(
    caller: Caller,
    State(app): State<App>,
    Extension(facts): Extension<RequestFacts>,
    Valid(body): Valid<Link>,
) -> Result<Reply> {
    let phone = Phone { user: caller.session()?, network: facts.network() };
    let mut tx = app.begin(&caller).await?;
    let outcome = super::link(&mut tx, &phone, &body).await;
    // A wrong code costs a try, so it is committed although the caller gets an error.
    let fault = match outcome {
        Ok(Outcome::Decided(decided)) => return app.commit(&caller, tx, Ok(Data(decided))).await,
        Ok(Outcome::WrongCode(0)) => "Does not match; the sign-in is denied",
        Ok(Outcome::WrongCode(_)) => "Does not match",
        Err(error) => return tx.finish(Err(error)).await,
    };
    tx.commit().await?;
    Err(Error::field("matchCode", fault))
}

async fn status(
    State(app): State<App>,
    Id(id): Id<QrSessionId>,
    headers: HeaderMap,
) -> Result<Data<QrStatus>> {
    super::status(&app.db, id, &secret(&headers, id)?).await.map(Data)
}

async fn watch(
    State(app): State<App>,
    Id(id): Id<QrSessionId>,
    headers: HeaderMap,
) -> Result<Response> {
    let now = super::status(&app.db, id, &secret(&headers, id)?).await?.status;
    let heard = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    if heard == Some(now) && Status::from(now.to_owned()).is_final() {
        // There is no more to hear: the answer that makes `EventSource` stop asking.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = app.streams.open(id.0)?;
    // nginx would hold events back until its buffer is full.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    Ok((AppendHeaders([unbuffered]), events::watch(app, id, place)).into_response())
}

async fn redeem(
    State(app): State<App>,
    Extension(facts): Extension<RequestFacts>,
    Extension(deadline): Extension<Deadline>,
    client: Client,
    Id(id): Id<QrSessionId>,
    headers: HeaderMap,
    Valid(body): Valid<Redeem>,
) -> Result<Data<SignedIn>> {
    deadline.hasten(PROMPT);
    let secret = match body.poll_secret {
        Some(secret) => secret.expose().clone(),
        None => secret(&headers, id)?,
    };
    let tenant = super::tenant(&app.db, id, &secret).await?;
    facts.span.record("tenant_id", tracing::field::display(tenant));
    let verifier = body.code_verifier.as_ref().map(|verifier| verifier.expose().as_str());
    let mut tx = app.db.tenant(tenant, facts.origin()).await?;
    let signed_in = super::redeem(&mut tx, &app.config.tokens, id, verifier, &client).await;
    let signed_in = tx.finish(signed_in).await?;
    let user = Principal::User { id: signed_in.user.id, session: Some(signed_in.session.id) };
    facts.span.record("principal", tracing::field::display(user));
    Ok(Data(signed_in))
}

async fn cancel(
    State(app): State<App>,
    Id(id): Id<QrSessionId>,
    headers: HeaderMap,
) -> Result<NoContent> {
    super::cancel(&app.db, id, &secret(&headers, id)?).await?;
    Ok(NoContent)
}

/// One cookie for each session, so that two tabs do not take each other's. `EventSource` sends it; no script reads it.
fn cookie(id: QrSessionId, secret: &str) -> String {
    format!(
        "{}={secret}; Max-Age={COOKIE_AGE}; Path={PATH}; Secure; HttpOnly; SameSite=Strict",
        cookie_name(id)
    )
}

fn cookie_name(id: QrSessionId) -> String {
    format!("liaison_qr_{}", id.0.simple())
}

/// The poll secret: the header's, or the cookie's.
fn secret(headers: &HeaderMap, id: QrSessionId) -> Result<String> {
    if let Some(secret) = headers.get(SECRET) {
        return secret.to_str().map(str::to_owned).map_err(|_| QrSessionId::not_found());
    }
    let name = cookie_name(id);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(key, _)| key.trim() == name);
    found.map(|(_, secret)| secret.trim().to_owned()).ok_or_else(QrSessionId::not_found)
}
