//! Permits for what is large or long, so that no tenant's share of it is all of it: each holds memory or a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use shared::id::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result};

/// How long somebody waits for a place: most are free again soon.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The places of one kind in this process; cheap to clone.
#[derive(Clone, Debug)]
pub struct TenantPermits {
    all: Arc<Semaphore>,
    of_one: Arc<Mutex<HashMap<TenantId, Weak<Semaphore>>>>,
    most_of_one: usize,
    /// The message when no place is free.
    full: &'static str,
}

/// A place; dropping it frees it.
#[derive(Debug)]
pub struct TenantPermit {
    _of_all: OwnedSemaphorePermit,
    _of_one: OwnedSemaphorePermit,
}

impl TenantPermits {
    /// So many in all, and of one tenant.
    #[must_use]
    pub fn new(most: usize, most_of_one: usize, full: &'static str) -> Self {
        let all = Arc::new(Semaphore::new(most));
        Self { all, of_one: Arc::default(), most_of_one, full }
    }

    /// A place for the tenant.
    ///
    /// # Errors
    /// Within five seconds none gets free: [`Error::TooManyAtOnce`] of the tenant's own, [`Error::Unavailable`] of all.
    pub async fn take(&self, tenant: TenantId) -> Result<TenantPermit> {
        let until = Instant::now() + TIMEOUT;
        let of_one = timeout_at(until, self.of(tenant).acquire_owned()).await;
        let Ok(Ok(of_one)) = of_one else { return Err(Error::TooManyAtOnce(self.full)) };
        match timeout_at(until, self.all.clone().acquire_owned()).await {
            Ok(Ok(of_all)) => Ok(TenantPermit { _of_all: of_all, _of_one: of_one }),
            _ => Err(Error::Unavailable(self.full.into())),
        }
    }

    /// The same for who waits as long as it takes; never `None`, for nobody closes the places.
    pub async fn wait(&self, tenant: TenantId) -> Option<TenantPermit> {
        let of_one = self.of(tenant).acquire_owned().await.ok()?;
        let of_all = self.all.clone().acquire_owned().await.ok()?;
        Some(TenantPermit { _of_all: of_all, _of_one: of_one })
    }

    fn of(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut tenants = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = tenants.get(&tenant).and_then(Weak::upgrade) {
            return places;
        }
        // Tenants without a place are forgotten.
        tenants.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(self.most_of_one));
        tenants.insert(tenant, Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(n: u128) -> TenantId {
        TenantId(uuid::Uuid::from_u128(n))
    }

    #[tokio::test]
    async fn no_tenant_takes_all_places_and_a_place_is_free_again_when_it_is_left() {
        let places = TenantPermits::new(16, 4, "all are taken");
        let mut taken = Vec::new();
        for n in 0..16 {
            taken.push(places.take(tenant(n / 4)).await.unwrap());
        }
        let free = (places.all.available_permits(), places.of(tenant(0)).available_permits());
        assert_eq!(free, (0, 0));
        taken.truncate(1);
        assert_eq!(places.of(tenant(0)).available_permits(), 3);
        places.take(tenant(9)).await.unwrap();
        assert_eq!(places.of_one.lock().unwrap().len(), 2, "only who has one is remembered");
    }

    #[tokio::test]
    async fn whoever_waits_in_vain_is_told_whether_its_own_places_are_taken_or_all() {
        let places = TenantPermits::new(5, 2, "all are taken");
        let mut taken = Vec::new();
        for n in [0, 0, 1, 1, 2] {
            taken.push(places.take(tenant(n)).await.unwrap());
        }
        let (own, all) = tokio::join!(places.take(tenant(0)), places.take(tenant(2)));
        assert!(matches!(own, Err(Error::TooManyAtOnce(_))), "{own:?}");
        assert!(matches!(all, Err(Error::Unavailable(_))), "{all:?}");
        // Who has waited in vain holds nothing.
        taken.clear();
        for n in [0, 0, 2, 2] {
            taken.push(places.take(tenant(n)).await.unwrap());
        }
    }
}
