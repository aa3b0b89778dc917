use super::*;
use crate::id;
use crate::id::{TenantId, WebhookId};
use crate::settings::Value as _;

const KEYRING: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn keyring() -> Keyring {
    Keyring::parse(KEYRING).unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-01-02T03:04:06Z".parse().unwrap()
}

fn owner() -> Owner {
    Owner(TenantId(id::fresh(now())), WebhookId(id::fresh(now())))
}

fn key() -> Key {
    Key::new(SigningSecret::generate()).unwrap()
}

fn text(key: &Key) -> String {
    key.secret.expose().to_owned()
}

fn rotated(keys: SigningKeys, hours: i64, overlap: i64) -> SigningKeys {
    let at = now() + TimeDelta::hours(hours);
    keys.rotate(key(), at, TimeDelta::hours(overlap)).unwrap()
}

#[test]
fn the_signatures_are_those_of_the_published_vectors() {
    let seed = STANDARD.decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let secret =
        SigningSecret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj").unwrap();
    let pair = Some(KeyPair::from_seed(seed.try_into().unwrap()).unwrap());
    let body = r#"{"id":"evt_0000000000000000000001","event":"contact.created","timestamp":"2026-01-02T03:04:05.678Z","data":{"id":"con_1"}}"#;
    let keys = SigningKeys::first(Key { secret, pair });
    assert_eq!(
        keys.sign("evt_0000000000000000000001", now(), body.as_bytes()).standard,
        "v1,76pdbQEp00Z+9PXi/ei0ofDawVkpMo1MPnYNjgLW0O0= \
         v1a,tjtoHBqorq80n6A1VYTJOVaqz6C/TgeByBUlrjfHfNHtGCIFj398ylM6jFTm/x4K30iI3ADu8+IsKhzwTmLvBw=="
    );
}

#[test]
fn keys_are_sealed_together_for_their_webhook_only() {
    let owner = owner();
    let keys = rotated(SigningKeys::first(key()), 0, 24);
    let sealed = keys.seal(&keyring(), owner).unwrap();
    let opened = SigningKeys::open(&keyring(), &sealed, owner).unwrap();

    let signed = |keys: &SigningKeys| keys.sign("id", now(), b"{}");
    assert_eq!(signed(&opened).standard, signed(&keys).standard);
    assert_eq!(signed(&opened).document, signed(&keys).document);
    assert_eq!(opened.published(now()), keys.published(now()));
    assert!(SigningKeys::open(&keyring(), &sealed, self::owner()).is_err());
}

#[test]
fn a_bare_secret_from_before_signs_with_what_it_has() {
    let (owner, secret) = (owner(), SigningSecret::generate());
    let sealed = keyring().seal(secret.expose().as_bytes(), &owner.aad("secret")).unwrap();
    let keys = SigningKeys::open(&keyring(), &sealed, owner).unwrap();

    let signed = keys.sign("id", now(), b"{}");
    assert_eq!(signed.standard, secret.standard("id", now().timestamp(), b"{}"));
    assert!(keys.published(now()).is_empty());
    let renewed = rotated(keys, 0, 1);
    let items = renewed.sign("id", now(), b"{}").standard;
    let schemes: Vec<_> = items.split(' ').map(|item| item.split(',').next().unwrap()).collect();
    assert_eq!(schemes, ["v1", "v1", "v1a"]);
}

#[test]
fn what_is_sealed_in_no_known_form_is_refused() {
    let owner = owner();
    for plain in [&b""[..], b"\x01", b"\x01[]", b"\x01{}", b"short", b"\x02[]", b"\xff"] {
        let sealed = keyring().seal(plain, &owner.aad("secret")).unwrap();
        assert!(SigningKeys::open(&keyring(), &sealed, owner).is_err(), "{plain:?}");
    }
}

#[test]
fn the_newest_signs_first_and_replaced_ones_until_their_ends() {
    let first = key();
    let old = text(&first);
    let keys = rotated(SigningKeys::first(first), 0, 24);
    let new = text(&keys.current);
    let document = |hours, millis| {
        let at = now() + TimeDelta::hours(hours) + TimeDelta::milliseconds(millis);
        keys.sign("id", at, b"{}").document
    };
    let by = |text: &str| SigningSecret::parse(text).unwrap().document(b"{}");

    assert_eq!(document(24, -1), format!("{},{}", by(&new), by(&old)));
    assert_eq!(document(24, 0), by(&new));
}

#[test]
fn a_later_rotation_only_brings_ends_nearer() {
    let keys = rotated(rotated(SigningKeys::first(key()), 0, 24), 1, 2);
    let ends: Vec<_> = keys.replaced.iter().map(|old| (old.ends_at - now()).num_hours()).collect();
    assert_eq!(ends, [3, 3]);
    let keys = rotated(rotated(SigningKeys::first(key()), 0, 2), 1, 24);
    let ends: Vec<_> = keys.replaced.iter().map(|old| (old.ends_at - now()).num_hours()).collect();
    assert_eq!(ends, [25, 2]);
}

#[test]
fn a_key_that_still_signs_is_never_pushed_out_and_ended_ones_are_forgotten_oldest_first() {
    let mut keys = SigningKeys::first(key());
    for _ in 0..MOST_REPLACED {
        keys = rotated(keys, 0, 24);
    }
    let before: Vec<_> = keys.replaced.iter().map(|old| text(&old.key)).collect();
    assert!(keys.rotate(key(), now(), TimeDelta::hours(24)).is_err());

    let mut keys = SigningKeys::first(key());
    for hours in 0..5 {
        keys = rotated(keys, hours, 0);
    }
    assert_eq!((keys.replaced.len(), before.len()), (MOST_REPLACED, MOST_REPLACED));
    assert_eq!(keys.live(now() + TimeDelta::hours(5)).count(), 0);
}

#[test]
fn a_secret_that_comes_back_is_replaced_no_longer() {
    let first = key();
    let old = text(&first);
    let keys = rotated(SigningKeys::first(first), 0, 24);
    let back = Key::new(SigningSecret::parse(&old).unwrap()).unwrap();
    let keys = keys.rotate(back, now(), TimeDelta::hours(24)).unwrap();
    assert_eq!((text(&keys.current), keys.replaced.len()), (old, 1));
}
