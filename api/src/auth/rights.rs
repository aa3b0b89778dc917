//! What a caller may do, and what of it may be handed out in keys: never more than one has (requirement K-10).

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use shared::scope::{Role, Scope};

use crate::error::{Error, Result};

/// What an API key is good for: for what, until when and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What its holder may do.
    pub scopes: Vec<Scope>,
    /// Until when; forever when none.
    pub expires_at: Option<DateTime<Utc>>,
    /// From which addresses; from anywhere when none.
    pub networks: Option<Vec<IpNet>>,
}

impl Bounds {
    /// What the texts of a row say. A scope or network that this version does not know grants nothing.
    #[must_use]
    pub fn stored(
        scopes: &[String],
        expires_at: Option<DateTime<Utc>>,
        networks: Option<&[String]>,
    ) -> Self {
        let network = |text: &String| {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            text.parse().or_else(|_| address()).ok()
        };
        Self {
            scopes: scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
            expires_at,
            networks: networks.map(|texts| texts.iter().filter_map(network).collect()),
        }
    }

    /// Whether the key may be used from there.
    #[must_use]
    pub fn admit(&self, address: Option<IpAddr>) -> bool {
        let Some(networks) = &self.networks else { return true };
        address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
    }

    fn outlives(&self, other: &Self) -> bool {
        match (self.expires_at, other.expires_at) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(one), Some(other)) => one > other,
        }
    }

    fn reaches_beyond(&self, other: &Self) -> bool {
        match (&self.networks, &other.networks) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(ours), Some(theirs)) => {
                !ours.iter().all(|network| theirs.iter().any(|wider| wider.contains(network)))
            }
        }
    }
}

/// The rights of a caller.
#[derive(Clone, Debug)]
pub(super) enum Rights {
    Key(Bounds),
    Role(Role),
}

impl Rights {
    pub(super) fn hold(&self, scope: Scope) -> bool {
        match self {
            Self::Key(bounds) => bounds.scopes.contains(&scope),
            Self::Role(role) => role.holds(scope),
        }
    }

    /// Whether a key with these bounds gives nobody more than these rights.
    pub(super) fn cover(&self, bounds: &Bounds) -> Result<()> {
        if let Some(missing) = bounds.scopes.iter().find(|scope| !self.hold(**scope)) {
            return Err(Error::InsufficientScope(*missing));
        }
        match self {
            Self::Key(own) if bounds.outlives(own) => {
                Err(Error::Forbidden("A key cannot manage one that outlives it"))
            }
            Self::Key(own) if bounds.reaches_beyond(own) => {
                Err(Error::Forbidden("A key cannot manage one that works from more addresses"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Bounds {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Bounds::stored(&[], None, Some(&texts))
    }

    #[test]
    fn a_key_is_admitted_from_its_networks_only_and_from_nowhere_when_none_is_understood() {
        let bounds = networks(&["192.0.2.0/24", "2001:db8::7"]);
        for (address, admitted) in [
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("2001:db8::7", true),
            ("2001:db8::8", false),
        ] {
            assert_eq!(bounds.admit(address.parse().ok()), admitted, "{address}");
        }
        assert!(!bounds.admit(None));
        assert!(!networks(&["everywhere"]).admit("192.0.2.1".parse().ok()));
        assert!(Bounds::stored(&[], None, None).admit(None));
    }

    #[test]
    fn networks_reach_beyond_others_unless_each_lies_in_one_of_them() {
        let anywhere = Bounds::stored(&[], None, None);
        let office = networks(&["192.0.2.0/24", "2001:db8::/32"]);
        assert!(!networks(&["192.0.2.7", "192.0.2.128/25"]).reaches_beyond(&office));
        assert!(!networks(&["2001:db8:1::/48"]).reaches_beyond(&office));
        for wider in
            [networks(&["192.0.2.7", "192.0.3.1"]), networks(&["192.0.0.0/16"]), anywhere.clone()]
        {
            assert!(wider.reaches_beyond(&office));
            assert!(!wider.reaches_beyond(&anywhere));
        }
    }
}
