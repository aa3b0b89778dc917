//! Answers that are kept for a repetition (`Idempotency-Key`): the api writes and reads them, and the worker opens them
//! when somebody is erased.

use crate::id::TenantId;

/// The additional authenticated data of the sealed answer to a principal's key: where it belongs. Elsewhere it does not
/// open.
#[must_use]
pub fn aad(tenant: TenantId, principal: &str, key: &str) -> Vec<u8> {
    format!("idempotency {tenant} {principal} {key}").into_bytes()
}
