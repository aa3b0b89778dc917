//! The keys that may have signed: this webhook's, and those that beginners take for them.

use shared::webhook::signature::SigningSecret;

use super::mistake::Mistake;
use super::reading::with_prefix;
use super::search::Candidate;
use super::{Case, Scheme};

/// The bytes of a key. They stay in this request.
type Key = Candidate<Vec<u8>>;

impl Case {
    /// What we may have signed with, rightly used.
    pub fn sent_keys(&self, scheme: Scheme) -> Vec<Key> {
        let right =
            |secret: &SigningSecret, mistake| Candidate::right(used(secret, scheme)).and(mistake);
        let own = self.secrets().map(|(secret, mistake)| right(secret, mistake));
        let others = self.others.iter();
        own.chain(others.map(|secret| right(secret, Some(Mistake::SecretOfAnotherWebhook))))
            .collect()
    }

    /// The same, and what beginners make of this webhook's.
    pub fn computed_keys(&self, scheme: Scheme) -> Vec<Key> {
        let mut keys = self.sent_keys(scheme);
        for (secret, mistake) in self.secrets() {
            for key in misused(secret, scheme) {
                if keys.iter().all(|known| known.value != key.value) {
                    keys.push(key.and(mistake));
                }
            }
        }
        keys
    }

    fn secrets(&self) -> impl Iterator<Item = (&SigningSecret, Option<Mistake>)> {
        let replaced = self.keys.replaced.iter().map(|old| {
            let gone = old.ends_at <= self.now;
            (&old.key.secret, gone.then_some(Mistake::SecretRotatedAway))
        });
        std::iter::once((&self.keys.current.secret, None)).chain(replaced)
    }
}

fn used(secret: &SigningSecret, scheme: Scheme) -> Vec<u8> {
    match scheme {
        Scheme::Body => secret.expose().as_bytes().to_vec(),
        Scheme::V1 | Scheme::V1a => secret.key().expose().clone(),
    }
}

fn misused(secret: &SigningSecret, scheme: Scheme) -> Vec<Key> {
    let text = secret.expose();
    let bare = text.strip_prefix("whsec_");
    let wrong = |value: &[u8], mistake| Candidate::wrong(value.to_vec(), mistake);
    let mut keys = Vec::new();
    if scheme == Scheme::Body {
        keys.push(wrong(secret.key().expose(), Mistake::SecretDecoded));
        keys.extend(bare.map(|bare| wrong(bare.as_bytes(), Mistake::PrefixLeftOut)));
    } else {
        keys.push(wrong(text.as_bytes(), Mistake::SecretNotDecoded));
        keys.extend(bare.map(|bare| wrong(bare.as_bytes(), Mistake::SecretNotDecoded)));
    }
    let left_in = bare.and_then(|_| with_prefix(text));
    keys.extend(left_in.map(|key| wrong(&key, Mistake::PrefixLeftIn)));
    for end in ["\n", "\r\n", " "] {
        let key = format!("{text}{end}");
        let raw = scheme != Scheme::Body && bare.is_some();
        let also = raw.then_some(Mistake::SecretNotDecoded);
        keys.push(wrong(key.as_bytes(), Mistake::SecretHasWhitespace).and(also));
    }
    keys
}
