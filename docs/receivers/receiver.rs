//! With axum 0.8, tokio, hmac 0.13, sha2 0.11 and base64. Accepted events lie in inbox/, one file each.
use std::path::Path;
use std::time::SystemTime;
use std::{env, error, fs, io};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What signs by the secret, if that is whole.
fn signer() -> Option<Hmac<Sha256>> {
    let secret = env::var("WEBHOOK_SECRET").ok()?;
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.into_bytes(),
    };
    Hmac::new_from_slice(&key).ok().filter(|_| key.len() >= 24)
}

/// The id of a webhook that was signed within the last five minutes.
fn genuine<'a>(signer: Hmac<Sha256>, headers: &'a HeaderMap, body: &[u8]) -> Option<&'a str> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (id, sent) = (header("webhook-id")?, header("webhook-timestamp")?);
    let now = SystemTime::UNIX_EPOCH.elapsed().ok()?.as_secs();
    let fresh = now.abs_diff(sent.parse().ok()?) <= 300;
    let mac = signer.chain_update(format!("{id}.{sent}.")).chain_update(body);
    let mut found = header("webhook-signature")?.split(' '); // several during a rotation
    let bytes = |one: &str| STANDARD.decode(one.strip_prefix("v1,")?).ok();
    let equal = |one: Vec<u8>| mac.clone().verify_slice(&one).is_ok(); // in constant time
    (fresh && found.any(|one| bytes(one).is_some_and(equal))).then_some(id)
}

fn keep(id: &str, body: &[u8]) -> io::Result<()> {
    let (file, part) = (format!("inbox/{id}.json"), format!("inbox/{id}.part"));
    if Path::new(&file).exists() {
        return Ok(()); // it came before
    }
    fs::write(&part, body)?;
    fs::rename(part, file)
}

/// `body` is as it arrived, before any parser.
async fn receive(
    State(signer): State<Hmac<Sha256>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    match genuine(signer, &headers, &body).map(|id| keep(id, &body)) {
        None => StatusCode::UNAUTHORIZED,
        Some(Ok(())) => StatusCode::NO_CONTENT,
        Some(Err(_)) => StatusCode::SERVICE_UNAVAILABLE, // not kept: it comes again
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn error::Error>> {
    let signer = signer().ok_or("set WEBHOOK_SECRET to the whole secret that the api showed")?;
    fs::create_dir_all("inbox")?;
    let address = format!("127.0.0.1:{}", env::var("PORT").unwrap_or_default());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let receiver = axum::Router::new().fallback(receive).with_state(signer);
    Ok(axum::serve(listener, receiver).await?)
}
