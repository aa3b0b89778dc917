//! What deliveries are signed with: webhooks' keys, opened and at hand.

mod pairs;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use shared::id::{TenantId, WebhookId};
use shared::seal::Keyring;
use shared::webhook::Owner;
use shared::webhook::keys::{KeysError, SigningKeys};

pub use pairs::{give_pairs, keep_giving_pairs};

/// Webhooks whose keys are held open at the same time, a few hundred bytes each.
const MOST_OPEN: usize = 4096;

/// Opens keys, and holds them open: to open them costs as much as to sign. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Signers {
    keyring: Keyring,
    open: Arc<Mutex<HashMap<(TenantId, WebhookId), Opened>>>,
}

#[derive(Debug)]
struct Opened {
    sealed: Vec<u8>,
    keys: Arc<SigningKeys>,
}

impl Signers {
    /// Begins with nothing open.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring, open: Arc::default() }
    }

    /// The keys that are sealed in this value, which is compared with the one that was opened before.
    ///
    /// # Errors
    /// Keys that do not open.
    pub fn of(&self, owner: Owner, sealed: &[u8]) -> Result<Arc<SigningKeys>, KeysError> {
        let place = (owner.0, owner.1);
        if let Some(opened) = self.held().get(&place)
            && opened.sealed == sealed
        {
            return Ok(Arc::clone(&opened.keys));
        }
        let keys = Arc::new(SigningKeys::open(&self.keyring, sealed, owner)?);
        let opened = Opened { sealed: sealed.to_owned(), keys: Arc::clone(&keys) };
        let mut held = self.held();
        if held.len() >= MOST_OPEN {
            held.clear();
        }
        held.insert(place, opened);
        Ok(keys)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<(TenantId, WebhookId), Opened>> {
        // Nothing panics while it is held; were it so, what it holds would still be whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::settings::Value as _;
    use shared::webhook::keys::Key;
    use shared::webhook::signature::SigningSecret;

    fn sealed(keyring: &Keyring, owner: Owner) -> (String, Vec<u8>) {
        let secret = SigningSecret::generate();
        let text = secret.expose().to_owned();
        let keys = SigningKeys::first(Key::new(secret).unwrap());
        (text, keys.seal(keyring, owner).unwrap())
    }

    #[test]
    fn keys_that_were_opened_before_are_forgotten_when_others_take_their_place() {
        let keyring = Keyring::parse("1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let now = "2026-01-02T03:04:06Z".parse().unwrap();
        let owner = Owner(TenantId::fresh(now), WebhookId::fresh(now));
        let signers = Signers::new(keyring.clone());
        for _ in 0..2 {
            let (text, sealed) = sealed(&keyring, owner);
            for _ in 0..2 {
                let keys = signers.of(owner, &sealed).unwrap();
                assert_eq!(keys.current.secret.expose(), &text);
            }
        }
        let stranger = Owner(TenantId::fresh(now), owner.1);
        let (_, value) = sealed(&keyring, owner);
        assert!(signers.of(stranger, &value).is_err());
    }

    #[test]
    fn no_more_are_held_than_there_is_room_for() {
        let keyring = Keyring::parse("1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let now = "2026-01-02T03:04:06Z".parse().unwrap();
        let signers = Signers::new(keyring.clone());
        let bare = SigningSecret::generate();
        for _ in 0..=MOST_OPEN {
            let owner = Owner(TenantId::fresh(now), WebhookId::fresh(now));
            let keys = SigningKeys::first(Key { secret: bare.clone(), pair: None });
            signers.of(owner, &keys.seal(&keyring, owner).unwrap()).unwrap();
        }
        assert_eq!(signers.held().len(), 1);
    }
}
