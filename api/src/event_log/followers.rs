//! Who follows the event log in this process, and how each hears of new events. The processes of the api cannot be told
//! of them: a pooler that lends connections by transaction lets nobody `LISTEN`. So one task asks for the newest
//! numbers of all tenants that are followed, in one question.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::Db;
use shared::id::TenantId;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Error, Result};

/// How often the newest numbers are asked for.
const LOOK: Duration = Duration::from_millis(250);
/// How many follow in one process.
const MOST: usize = 1000;
/// How many of one tenant.
const MOST_OF_ONE: usize = 50;

/// Who follows in this process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Followers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tenants: Mutex<HashMap<TenantId, watch::Sender<i64>>>,
    came: Notify,
    stop: CancellationToken,
}

impl Followers {
    /// Nobody yet. The task that asks for them ends with `stop`, and so do their answers.
    #[must_use]
    pub fn until(stop: CancellationToken, db: Db) -> Self {
        let shared = Shared { tenants: Mutex::default(), came: Notify::new(), stop };
        let followers = Self(Arc::new(shared));
        tokio::spawn(followers.clone().look(db));
        followers
    }

    /// Tells of the tenant's newest number from now on.
    ///
    /// # Errors
    /// [`Error::Conflict`] when as many of the tenant follow as may, which is no fault of the server;
    /// [`Error::Unavailable`] when as many of all do.
    pub(super) fn join(&self, tenant: TenantId) -> Result<watch::Receiver<i64>> {
        let mut tenants = self.tenants();
        let all = tenants.values().map(watch::Sender::receiver_count).sum::<usize>();
        let heads = tenants.entry(tenant).or_insert_with(|| watch::Sender::new(0));
        if heads.receiver_count() >= MOST_OF_ONE {
            return Err(Error::Conflict(format!("{MOST_OF_ONE} streams are open already").into()));
        }
        if all >= MOST {
            return Err(Error::Unavailable("too many follow the events".into()));
        }
        let joined = heads.subscribe();
        drop(tenants);
        self.0.came.notify_one();
        Ok(joined)
    }

    /// What everyone's answers end with.
    pub(super) fn stop(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    async fn look(self, db: Db) {
        let mut lost = false;
        while !self.0.stop.is_cancelled() {
            let tenants: Vec<Uuid> = self.tenants().keys().map(|tenant| tenant.0).collect();
            if tenants.is_empty() {
                tokio::select! {
                    () = self.0.stop.cancelled() => return,
                    () = self.0.came.notified() => continue,
                }
            }
            match heads(&db, &tenants).await {
                Ok(heads) => {
                    if std::mem::take(&mut lost) {
                        tracing::info!("streams hear of new events again");
                    }
                    self.tell(heads);
                }
                Err(error) if !std::mem::replace(&mut lost, true) => {
                    tracing::warn!(%error, "streams do not hear of new events; trying again");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                () = sleep(LOOK) => {}
            }
        }
    }

    fn tell(&self, heads: Vec<(TenantId, i64)>) {
        let tenants = self.tenants();
        for (tenant, last) in heads {
            if let Some(told) = tenants.get(&tenant) {
                told.send_if_modified(|known| std::mem::replace(known, last) != last);
            }
        }
    }

    /// The tenants that somebody follows.
    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, watch::Sender<i64>>> {
        let mut tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.retain(|_, heads| heads.receiver_count() > 0);
        tenants
    }
}

/// The newest numbers of these tenants; those without an event are left out.
async fn heads(db: &Db, tenants: &[Uuid]) -> sqlx::Result<Vec<(TenantId, i64)>> {
    let rows = db
        .direct(async |conn| {
            sqlx::query!(
                r#"select tenant_id as "tenant!: TenantId", last as "last!" from event_heads($1)"#,
                tenants
            )
            .fetch_all(conn)
            .await
        })
        .await?;
    Ok(rows.into_iter().map(|row| (row.tenant, row.last)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_may_follow_fifty_times_and_all_together_a_thousand_times() {
        let shared = Shared {
            tenants: Mutex::default(),
            came: Notify::new(),
            stop: CancellationToken::new(),
        };
        let followers = Followers(Arc::new(shared));
        let join = |n| followers.join(TenantId(Uuid::from_u128(n)));
        let mut joined: Vec<_> = (0..1000).map(|n| join(n % 20).unwrap()).collect();
        let one = join(0).unwrap_err();
        assert!(matches!(one, Error::Conflict(_)), "{one:?}");
        let all = join(20).unwrap_err();
        assert!(matches!(all, Error::Unavailable(_)), "{all:?}");
        joined.pop();
        join(20).unwrap();
    }
}
