//! Limits of a tenant's or a key's own (requirement R-7).

use shared::settings::Value as _;

use super::class::Class;
use super::rate::Limit;

/// What a tenant or a key has instead of the configured limits: texts as [`Limit`] reads them, by class.
#[derive(Clone, Debug, Default)]
pub struct Overrides(serde_json::Value);

impl Overrides {
    /// Takes what is stored as it is.
    #[must_use]
    pub fn stored(value: serde_json::Value) -> Self {
        Self(value)
    }

    /// The limit of a class, if there is one. A text that makes no sense is said in the log and nothing else: whoever
    /// calls cannot help it.
    #[must_use]
    pub fn of(&self, class: Class) -> Option<Limit> {
        let stored = self.0.get(class.as_str())?;
        let limit = stored.as_str().and_then(|text| Limit::parse(text).ok());
        if limit.is_none() {
            tracing::warn!(class = class.as_str(), "a stored rate limit makes no sense");
        }
        limit
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stored_limit_counts_only_when_it_makes_sense() {
        let stored = json!({"read": "7/7s", "write": "off", "qr": "many", "login": 5});
        let overrides = Overrides::stored(stored);
        let shown = |class: &Class| overrides.of(*class).map(|limit| limit.to_string());
        let read: Vec<_> = Class::ALL.iter().map(shown).collect();
        let expected = [None, None, None, None, Some("off"), Some("7/7s")];
        assert_eq!(read, expected.map(|limit| limit.map(str::to_owned)));
        for nonsense in [json!([]), json!("read"), json!(null), json!(7)] {
            assert_eq!(Overrides::stored(nonsense).of(Class::Read), None);
        }
    }
}
