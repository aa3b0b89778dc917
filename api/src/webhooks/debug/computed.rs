//! By which mistake somebody came to what was computed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};
use shared::webhook::signature::hmac;
use subtle::ConstantTimeEq as _;

use super::body::{bodies, difference};
use super::mistake::Mistake;
use super::reading::readings;
use super::search::{Candidate, MOST, Space};
use super::{Case, Scheme};

impl Case {
    /// The fewest mistakes that lead to it; none when it is right, nothing when none do.
    pub fn computed(&self, computed: &str) -> Option<Vec<Mistake>> {
        let scheme = self.check.scheme.or_else(|| named(computed));
        let schemes = match scheme {
            Some(scheme) => vec![scheme],
            None => vec![Scheme::V1, Scheme::Body],
        };
        if let Some(other) = scheme.map(other)
            && self
                .explain(computed, other, 0)
                .is_some_and(|mistakes| mistakes.iter().all(|mistake| ENCODINGS.contains(mistake)))
        {
            return Some(vec![Mistake::OtherScheme]);
        }
        let found = schemes.into_iter().filter_map(|scheme| self.explain(computed, scheme, MOST));
        found.min_by_key(Vec::len)
    }

    fn explain(&self, computed: &str, scheme: Scheme, most: usize) -> Option<Vec<Mistake>> {
        let space = self.space(scheme);
        let found = readings(computed, scheme).into_iter().filter_map(|reading| {
            let is = |mac: &[u8]| -> bool { mac.ct_eq(&reading.value).into() };
            let mistakes = match reading.value.len() {
                32 => {
                    space.search_up_to(most, |key, message| is(&hmac(key, message))).or_else(|| {
                        let plain = |key: &Vec<u8>, message: &[u8]| {
                            hashes(key, message).iter().any(|hash| is(hash))
                        };
                        Some(with(space.search_up_to(most.min(1), plain)?, Mistake::NotHmac))
                    })
                }
                64 => {
                    let other = |key: &Vec<u8>, message: &[u8]| is(&hmac_sha512(key, message));
                    Some(with(space.search_up_to(most.min(1), other)?, Mistake::WrongHash))
                }
                _ => None,
            };
            Some([mistakes?, reading.mistakes].concat())
        });
        found.min_by_key(Vec::len)
    }

    fn space(&self, scheme: Scheme) -> Space<Vec<u8>> {
        let given = self.check.body.as_str();
        let bodies = match self.own() {
            Some(sent) if sent.body != given => {
                bodies(&sent.body, Some((given, difference(given, &sent.body))))
            }
            _ => bodies(given, None),
        };
        let heads = match scheme {
            Scheme::Body => {
                let right = Candidate::right(String::new());
                let other =
                    self.sent_heads().into_iter().map(|head| head.and(Some(Mistake::OtherScheme)));
                std::iter::once(right).chain(other).collect()
            }
            Scheme::V1 | Scheme::V1a => self.computed_heads(),
        };
        Space { keys: self.computed_keys(scheme), heads, bodies }
    }
}

/// How a right value may be written and still be that of its scheme.
const ENCODINGS: [Mistake; 5] = [
    Mistake::HexForBase64,
    Mistake::Base64ForHex,
    Mistake::Base64OfHex,
    Mistake::Base64Variant,
    Mistake::UpperCaseHex,
];

/// The scheme that a value names itself.
fn named(computed: &str) -> Option<Scheme> {
    let text = computed.trim();
    if text.starts_with("v1,") {
        Some(Scheme::V1)
    } else if text.starts_with("sha256=") {
        Some(Scheme::Body)
    } else {
        None
    }
}

fn other(scheme: Scheme) -> Scheme {
    if scheme == Scheme::Body { Scheme::V1 } else { Scheme::Body }
}

fn with(mut mistakes: Vec<Mistake>, one: Mistake) -> Vec<Mistake> {
    mistakes.push(one);
    mistakes
}

/// What is computed by those who have not heard of HMAC.
fn hashes(key: &[u8], message: &[u8]) -> [[u8; 32]; 3] {
    [&[key, message][..], &[message, key], &[message]]
        .map(|parts| parts.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into())
}

fn hmac_sha512(key: &[u8], message: &[u8]) -> [u8; 64] {
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key) else { return [0; 64] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}
