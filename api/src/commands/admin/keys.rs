//! `api admin keys`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::commands::CommandResult;
use crate::commands::out::say;

/// Prints fresh secrets in the form that the environment takes.
pub(super) fn print() -> CommandResult {
    let fresh = || STANDARD.encode(rand::random::<[u8; 32]>());
    say(&format!("JWT_KEYS=1:{}\nAPI_KEY_PEPPER={}\nSECRET_KEYS=1:{}", fresh(), fresh(), fresh()))
}
