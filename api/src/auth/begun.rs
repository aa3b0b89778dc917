//! The caller's transaction, begun in the message that looks up who calls: one round trip less for each request.
//! Who calls is read anew each time, so that a key or session that was revoked is out at the next request; what is
//! remembered is only for which tenant to begin.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use shared::TenantTx;
use shared::id::TenantId;

use super::Caller;
use super::api_key::Prefix;
use crate::error::Result;

/// Prefixes remembered at most.
const MOST: usize = 10_000;

/// The tenants of keys that were accepted here; cheap to clone.
#[derive(Clone, Default)]
pub struct Tenants(Arc<Mutex<HashMap<Prefix, TenantId>>>);

impl Tenants {
    pub(super) fn of(&self, prefix: Prefix) -> Option<TenantId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&prefix).copied()
    }

    pub(super) fn remember(&self, prefix: Prefix, tenant: TenantId) {
        let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= MOST {
            tenants.clear();
        }
        tenants.insert(prefix, tenant);
    }
}

/// A transaction that waits for the handler to begin one; cheap to clone.
#[derive(Clone, Default)]
pub struct Begun(Arc<Mutex<Option<TenantTx>>>);

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun")
    }
}

impl Begun {
    /// The transaction, for whoever asks first.
    pub(crate) fn take(&self) -> Option<TenantTx> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Gives the connection back when nobody took it.
    pub(crate) async fn let_go(&self) {
        if let Some(tx) = self.take() {
            // A rollback that fails closes the connection, which is all that is wanted.
            let _ = tx.rollback().await;
        }
    }
}

/// Hands a transaction to the caller that its first message found; one that was begun for another tenant, or for nobody,
/// is over.
pub(super) async fn hand(begun: Option<TenantTx>, found: Result<Caller>) -> Result<Caller> {
    let Some(mut tx) = begun else { return found };
    match found {
        Ok(mut caller) if caller.tenant == tx.tenant() => {
            tx.act_as(caller.origin.actor);
            caller.begun = Begun(Arc::new(Mutex::new(Some(tx))));
            Ok(caller)
        }
        other => {
            let _ = tx.rollback().await;
            other
        }
    }
}
