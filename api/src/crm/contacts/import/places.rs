//! How many uploads a process receives at once: each holds a few MiB, and for long if its sender is slow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use shared::id::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{Error, Result};

/// Uploads at once.
const MOST: usize = 16;
/// Of one tenant, so that none takes all.
const MOST_OF_ONE: usize = 4;
/// How long an upload waits for its place: a small import is over soon.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Clone, Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    of_one: Arc<Mutex<HashMap<TenantId, Weak<Semaphore>>>>,
}

/// A place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_one: OwnedSemaphorePermit,
}

impl Default for Places {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(MOST)), of_one: Arc::default() }
    }
}

impl Places {
    /// A place for an upload of the tenant.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none gets free in time.
    pub(super) async fn take(&self, tenant: TenantId) -> Result<Place> {
        let of_one = self.of(tenant);
        let both = async { (of_one.acquire_owned().await, self.all.clone().acquire_owned().await) };
        match timeout(PATIENCE, both).await {
            Ok((Ok(of_one), Ok(of_all))) => Ok(Place { _of_all: of_all, _of_one: of_one }),
            _ => Err(Error::Unavailable("too many imports are being received".into())),
        }
    }

    fn of(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut tenants = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = tenants.get(&tenant).and_then(Weak::upgrade) {
            return places;
        }
        // Whoever has no upload under way is forgotten.
        tenants.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(MOST_OF_ONE));
        tenants.insert(tenant, Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_tenant_takes_all_places_and_a_place_is_free_again_after_its_upload() {
        let places = Places::default();
        let tenant = |n: u128| TenantId(uuid::Uuid::from_u128(n));
        let mut taken = Vec::new();
        for n in 0..MOST {
            taken.push(places.take(tenant((n / MOST_OF_ONE) as u128)).await.unwrap());
        }
        assert_eq!(
            (places.all.available_permits(), places.of(tenant(0)).available_permits()),
            (0, 0)
        );
        taken.truncate(1);
        assert_eq!(places.of(tenant(0)).available_permits(), MOST_OF_ONE - 1);
        places.take(tenant(9)).await.unwrap();
        assert_eq!(places.of_one.lock().unwrap().len(), 2, "only who uploads is remembered");
    }
}
