//! Whether a signature in the headers is ours over what was received; if not, over what it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::webhook::ed25519::PublicKey;
use shared::webhook::keys::MOST_REPLACED;
use shared::webhook::signature::hmac;
use subtle::ConstantTimeEq as _;

use super::body::{bodies, difference};
use super::mistake::Mistake;
use super::reading::unhex;
use super::search::{Candidate, Space};
use super::{Case, Scheme};

/// Signatures of one scheme that are looked at, each beside all that may have been signed. No request of ours has more:
/// one of each secret that still signs.
const MOST: usize = 1 + MOST_REPLACED;

impl Case {
    /// The answer, and what is wrong; nothing to say without a signature that could be checked.
    pub fn received(&self) -> (Option<bool>, Vec<Mistake>) {
        let wanted = |scheme: &Scheme| self.check.scheme.is_none_or(|only| only == *scheme);
        let given: Vec<_> = Scheme::ALL
            .iter()
            .filter(|scheme| wanted(scheme))
            .map(|scheme| (*scheme, self.signatures(*scheme)))
            .filter(|(_, signatures)| !signatures.is_empty())
            .collect();
        let foreign = self.sent.is_some() && self.own().is_none();
        if given.is_empty() {
            let missing = self.check.computed.is_none().then_some(Mistake::SignatureHeaderMissing);
            let foreign = foreign.then_some(Mistake::WrongWebhook);
            return (None, foreign.or(missing).into_iter().collect());
        }
        if foreign {
            return (Some(false), vec![Mistake::WrongWebhook]);
        }
        let found = given.iter().filter_map(|(scheme, signatures)| self.trace(*scheme, signatures));
        match found.min_by_key(Vec::len) {
            Some(mistakes) => (Some(mistakes.is_empty()), mistakes),
            None => (Some(false), vec![self.nothing_fits()]),
        }
    }

    fn nothing_fits(&self) -> Mistake {
        if self.header("webhook-id").is_some() && self.sent.is_none() {
            return Mistake::IdUnknown;
        }
        match self.own() {
            Some(sent) if sent.body != self.check.body => difference(&self.check.body, &sent.body),
            _ => Mistake::Unexplained,
        }
    }

    /// By which mistakes, if any, one of these signatures came about.
    fn trace(&self, scheme: Scheme, signatures: &[Vec<u8>]) -> Option<Vec<Mistake>> {
        let sent = self.own().map(|sent| sent.body.as_str());
        let known = sent.map(|sent| (sent, difference(&self.check.body, sent)));
        let bodies = bodies(&self.check.body, known);
        let heads = match scheme {
            Scheme::Body => vec![Candidate::right(String::new())],
            Scheme::V1 | Scheme::V1a => self.sent_heads(),
        };
        if scheme == Scheme::V1a {
            let keys = self.public_keys();
            let verifies = |key: &PublicKey, message: &[u8]| {
                signatures.iter().any(|signature| key.verifies(message, signature))
            };
            return Space { keys, heads, bodies }.search_up_to(1, verifies);
        }
        Space { keys: self.sent_keys(scheme), heads, bodies }.search(|key, message| {
            let mac = hmac(key, message);
            signatures.iter().any(|signature| mac.ct_eq(signature).into())
        })
    }

    fn public_keys(&self) -> Vec<Candidate<PublicKey>> {
        let current = self.keys.current.public().map(Candidate::right);
        let replaced = self.keys.replaced.iter().filter_map(|old| {
            let gone = old.ends_at <= self.now;
            let key = Candidate::right(old.key.public()?);
            Some(key.and(gone.then_some(Mistake::PublicKeyReplaced)))
        });
        current.into_iter().chain(replaced).collect()
    }

    /// The signatures of a scheme in the headers, decoded; the first [`MOST`] of them.
    fn signatures(&self, scheme: Scheme) -> Vec<Vec<u8>> {
        let standard = |prefix: &str| {
            let items = self.header("webhook-signature").unwrap_or_default().split(' ');
            let encoded = items.filter_map(|item| item.strip_prefix(prefix));
            encoded.filter_map(|text| STANDARD.decode(text).ok()).take(MOST).collect()
        };
        match scheme {
            Scheme::V1 => standard("v1,"),
            Scheme::V1a => standard("v1a,"),
            Scheme::Body => {
                let items = self.header("x-webhook-signature").unwrap_or_default().split(',');
                let encoded = items.filter_map(|item| item.trim().strip_prefix("sha256="));
                encoded.filter_map(unhex).take(MOST).collect()
            }
        }
    }
}
