//! Signing in by QR code: a signed-in phone approves a desktop (requirements; docs/signing-in.md).
//!
//! There are three secrets: the QR code's, which can only scan; the desktop's, which opens the status and the tokens;
//! the phone's, which decides. Whoever presents a wrong one learns nothing: there is no such session.

mod answer;
mod events;
mod http;
mod input;
mod permission;
mod state;
mod store;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use qrcode::QrCode;
use qrcode::render::svg;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use shared::id::{QrSessionId, SessionId, TenantId, UserId};
use shared::{Db, TenantTx};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::api_key::Pepper;
use super::opaque::{self, OpaqueToken};
use super::sessions::{self, Client, SignIn, SignedIn, Via};
use super::token::TokenKeys;
use crate::changes;
use crate::error::{Error, Result};
use crate::http::Resource;
pub use answer::{Decided, Links, QrSession, QrStatus, Requester, Scanned};
pub use http::routes;
pub use input::{Decision, Link, NewQrSession, Redeem, Scan};
pub use state::Status;

const QR: &str = "qr_";
const LINK: &str = "ql_";
const POLL: &str = "qps_";

/// What it is called in the audit log.
const RECORD: &str = "qr_session";

/// Where all of it lives.
pub const PATH: &str = "/api/v1/auth/qr-session";

/// How often a desktop should ask, in milliseconds.
pub const POLL_INTERVAL: u32 = 2_000;
/// How many sessions may be under way from one address.
pub const MOST_LIVE: i32 = 10;
/// How long an answer with tokens counts as possibly lost.
const GRACE: TimeDelta = TimeDelta::seconds(10);

impl Resource for QrSessionId {
    const NAME: &'static str = "QR session";
}

/// The phone that scans and decides.
#[derive(Clone, Copy, Debug)]
pub struct Phone {
    /// Its user and session.
    pub user: (UserId, SessionId),
    /// The network it is in, where that can be told.
    pub network: Option<IpAddr>,
}

/// What became of a decision. Either way there is something to commit.
pub enum Outcome {
    /// It counts.
    Decided(Decided),
    /// The match code is wrong, and so many tries are left.
    WrongCode(i32),
}

/// Makes a session for a desktop.
///
/// # Errors
/// [`Error::Conflict`] when too many are under way from this address.
pub async fn generate(
    db: &Db,
    public_url: &Url,
    new: &NewQrSession,
    client: &Client,
) -> Result<QrSession> {
    let now = db.clock().now();
    let id = QrSessionId::fresh(now);
    let (qr, poll) = (OpaqueToken::generate_for(QR, id.0), OpaqueToken::generate(POLL));
    let match_code = format!("{:02}", rand::random_range(0..100));
    let expires_at = now + Status::Pending.lasts().unwrap_or_default();
    let row = store::New {
        id,
        poll_hash: poll.hash(),
        scan_hash: qr.hash(),
        match_code: &match_code,
        code_challenge: new.code_challenge.as_deref(),
        tenant_hint: new.tenant,
        device_name: new.device_name.as_deref(),
        user_agent: client.user_agent.as_deref(),
        ip_address: client.address.to_string(),
        requested_at: now,
        expires_at,
    };
    if !store::open(db, &row, MOST_LIVE).await? {
        return Err(Error::Conflict("Too many QR sessions are under way from this address".into()));
    }
    let qr_payload = format!("{}/qr#{}", public_url.as_str().trim_end_matches('/'), qr.text());
    let path = format!("{PATH}/{id}");
    Ok(QrSession {
        id,
        status: Status::Pending.as_str(),
        qr_svg: picture(&qr_payload)?,
        qr_payload,
        poll_secret: Some(poll.text().to_owned()),
        match_code,
        expires_at,
        poll_interval_ms: POLL_INTERVAL,
        links: Links {
            events: format!("{path}/events"),
            token: format!("{path}/token"),
            status: path,
        },
    })
}

fn picture(payload: &str) -> Result<String> {
    let code = QrCode::new(payload).map_err(|error| Error::Internal(error.into()))?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(240, 240).build())
}

/// Where a session stands, for whoever has its poll secret.
///
/// # Errors
/// [`Error::NotFound`] when there is no such session, or the secret is another.
pub async fn status(db: &Db, id: QrSessionId, secret: &str) -> Result<QrStatus> {
    let row = for_desktop(db, id, secret).await?;
    Ok(QrStatus {
        id,
        status: row.status(db.clock().now()).as_str(),
        expires_at: row.expires_at,
        poll_interval_ms: POLL_INTERVAL,
    })
}

/// Ends a session that nobody has scanned.
///
/// # Errors
/// As for [`status`], and [`Error::QrSessionState`] when it is not pending.
pub async fn cancel(db: &Db, id: QrSessionId, secret: &str) -> Result<()> {
    let row = for_desktop(db, id, secret).await?;
    if store::cancel(db, id).await? {
        return Ok(());
    }
    let now = store::find_anywhere(db, id).await?.unwrap_or(row).status(db.clock().now());
    Err(Error::QrSessionState(now.as_str()))
}

/// The tenant that a session was scanned in.
///
/// # Errors
/// As for [`status`], and [`Error::QrSessionState`] when nobody has scanned it.
pub async fn tenant(db: &Db, id: QrSessionId, secret: &str) -> Result<TenantId> {
    let row = for_desktop(db, id, secret).await?;
    let state = Error::QrSessionState(row.status(db.clock().now()).as_str());
    row.tenant.map(TenantId).ok_or(state)
}

async fn for_desktop(db: &Db, id: QrSessionId, secret: &str) -> Result<store::Row> {
    let row = store::find_anywhere(db, id).await?;
    row.filter(|row| opaque::matches(secret, &row.poll_hash)).ok_or_else(QrSessionId::not_found)
}

/// Takes a session into the tenant of the phone's user, who is shown what asks. The same phone gets the same answer
/// again.
///
/// # Errors
/// [`Error::NotFound`] when there is no such session, it is meant for another tenant, or its time has passed;
/// [`Error::QrSessionState`] when another phone has scanned it, or it is over; [`Error::Forbidden`] when the tenant
/// does not allow it.
pub async fn scan(
    tx: &mut TenantTx,
    pepper: &Pepper,
    phone: &Phone,
    token: &str,
) -> Result<Scanned> {
    let id = record(QR, token)?;
    let mut row = scannable(tx, id, token).await?;
    permission::check(tx, &row.ip_address, phone.network).await?;
    // Made again for the same phone: there is nothing to store but its hash.
    let seed = format!("qr-link {id} {}", phone.user.1);
    let link = OpaqueToken::with_record(LINK, id.0, &pepper.hash(&seed));
    if row.status(tx.now()) == Status::Pending {
        let until = tx.now() + Status::Scanned.lasts().unwrap_or_default();
        if store::adopt(tx, id, phone.user, &link.hash(), until).await? {
            moved(tx, id, Status::Scanned)?;
        }
        row = scannable(tx, id, token).await?;
    }
    let mine = row.scanned_session == Some(phone.user.1.0) && row.tenant == Some(tx.tenant().0);
    match row.status(tx.now()) {
        Status::Scanned if mine => {}
        Status::Expired => return Err(QrSessionId::not_found()),
        other => return Err(Error::QrSessionState(other.as_str())),
    }
    Ok(Scanned {
        id,
        status: Status::Scanned.as_str(),
        link_token: link.text().to_owned(),
        same_network: permission::near(&row.ip_address, phone.network),
        requester: Requester {
            device_name: row.device_name,
            ip_address: row.ip_address,
            user_agent: row.user_agent,
            requested_at: row.requested_at,
        },
        expires_at: row.expires_at,
    })
}

async fn scannable(tx: &mut TenantTx, id: QrSessionId, token: &str) -> Result<store::Row> {
    let row = store::find_for_phone(tx, id).await?;
    let row = row.filter(|row| opaque::matches(token, &row.scan_hash));
    let row = row.ok_or_else(QrSessionId::not_found)?;
    let tenant = tx.tenant();
    // By its id: a name is whatever a tenant calls itself.
    if row.tenant_hint.as_ref().is_some_and(|hint| *hint != tenant.to_string()) {
        return Err(QrSessionId::not_found());
    }
    Ok(row)
}

/// The user's decision, from the phone that scanned. The third wrong match code denies.
///
/// # Errors
/// [`Error::NotFound`] when the token is not this phone's; [`Error::QrSessionState`] when there is nothing to decide;
/// [`Error::Forbidden`] when the tenant does not allow an approval.
pub async fn link(tx: &mut TenantTx, phone: &Phone, link: &Link) -> Result<Outcome> {
    let token = link.link_token.expose();
    let id = record(LINK, token)?;
    let claimed = store::lock(tx, id).await?.filter(|claimed| {
        claimed.scanned_session == Some(phone.user.1)
            && claimed.link_hash.as_ref().is_some_and(|hash| opaque::matches(token, hash))
    });
    let claimed = claimed.ok_or_else(QrSessionId::not_found)?;
    match claimed.status(tx.now()) {
        Status::Scanned => {}
        other => return Err(Error::QrSessionState(other.as_str())),
    }
    if matches!(link.decision, Decision::Approve(_)) {
        permission::check(tx, &claimed.ip_address, phone.network).await?;
    }
    let tries = claimed.tries_left;
    let (status, tries_left) = match &link.decision {
        Decision::Deny => (Status::Denied, tries),
        Decision::Approve(code) if code.as_bytes().ct_eq(claimed.match_code.as_bytes()).into() => {
            (Status::Linked, tries)
        }
        Decision::Approve(_) if tries > 1 => (Status::Scanned, tries - 1),
        Decision::Approve(_) => (Status::Denied, 0),
    };
    let until = (status == Status::Linked).then(|| status.lasts()).flatten();
    let until = until.map(|lasts| tx.now() + lasts);
    store::decide(tx, id, status, tries_left, until).await?;
    if status == Status::Scanned {
        changes::logged(tx, (RECORD, id.0), "mismatched", &json!({"triesLeft": tries_left}))?;
    } else {
        moved(tx, id, status)?;
    }
    if tries_left < tries {
        return Ok(Outcome::WrongCode(tries_left));
    }
    Ok(Outcome::Decided(Decided { id, status: status.as_str() }))
}

/// Signs the desktop in as the user who approved. Again within ten seconds, with the first pair unused, it issues
/// another pair for the same session, because the answer may have been lost.
///
/// # Errors
/// [`Error::NotFound`] when the code verifier is wrong; [`Error::QrSessionState`] when it is not approved, or over.
pub async fn redeem(
    tx: &mut TenantTx,
    keys: &TokenKeys,
    id: QrSessionId,
    verifier: Option<&str>,
    client: &Client,
) -> Result<SignedIn> {
    let claimed = store::lock(tx, id).await?.ok_or_else(QrSessionId::not_found)?;
    prove(claimed.code_challenge.as_deref(), verifier)?;
    let status = claimed.status(tx.now());
    let refused = Error::QrSessionState(status.as_str());
    match (status, claimed.scanned_by.zip(claimed.scanned_session), claimed.session_id) {
        (Status::Linked, Some((user, phone)), _) => {
            let (device_name, client) = (claimed.device_name, client.clone());
            let approved_by = Some(phone);
            let sign_in = SignIn { user, via: Via::Qr, approved_by, device_name, client };
            let signed_in = sessions::open(tx, keys, &sign_in).await?;
            // Asked behind the user's lock: whoever ends the phone's session now ends this one, too.
            if !store::lock_phone(tx, phone).await? {
                return Err(refused);
            }
            store::consume(tx, id, signed_in.session.id).await?;
            moved(tx, id, Status::Consumed)?;
            Ok(signed_in)
        }
        (Status::Consumed, _, Some(session))
            if claimed.consumed_at.is_some_and(|at| tx.now() <= at + GRACE) =>
        {
            sessions::reissue(tx, keys, session).await?.ok_or(refused)
        }
        _ => Err(refused),
    }
}

/// Each move in a tenant is kept in its audit log.
fn moved(tx: &mut TenantTx, id: QrSessionId, to: Status) -> Result<()> {
    Ok(changes::logged(tx, (RECORD, id.0), to.as_str(), &json!({"status": to.as_str()}))?)
}

/// RFC 7636 §4.6, S256. A verifier without a challenge is refused too, or the challenge could be stripped (RFC 9700
/// §2.1.1).
fn prove(challenge: Option<&str>, verifier: Option<&str>) -> Result<()> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(Error::field("codeVerifier", "Is required")),
        (None, Some(_)) => {
            Err(Error::field("codeVerifier", "The session was made without a codeChallenge"))
        }
        (Some(challenge), Some(verifier)) => {
            let given = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
            let same: bool = given.as_bytes().ct_eq(challenge.as_bytes()).into();
            if same { Ok(()) } else { Err(QrSessionId::not_found()) }
        }
    }
}

fn record(prefix: &str, token: &str) -> Result<QrSessionId> {
    opaque::record(prefix, token).map(QrSessionId).ok_or_else(QrSessionId::not_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_is_proven_and_nothing_else() {
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(prove(challenge, Some(verifier)).is_ok());
        assert!(prove(None, None).is_ok());
        assert!(matches!(prove(challenge, Some(&verifier[1..])), Err(Error::NotFound(_))));
        assert!(matches!(prove(challenge, None), Err(Error::Invalid(_))));
        assert!(matches!(prove(None, Some(verifier)), Err(Error::Invalid(_))));
    }
}
