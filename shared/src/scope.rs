//! What a caller may do. Keys carry scopes; users carry a role, which stands for a set of scopes.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

macro_rules! scopes {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// A right, as API keys carry it and routes ask for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope {
            $(#[doc = concat!("`", $text, "`")] $name),+
        }

        impl Scope {
            /// Every scope there is.
            pub const ALL: &'static [Scope] = &[$(Scope::$name),+];

            /// The name used on the wire and in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Scope::$name => $text),+
                }
            }
        }
    };
}

scopes! {
    ContactsRead = "contacts:read",
    ContactsWrite = "contacts:write",
    ContactsErase = "contacts:erase",
    CompaniesRead = "companies:read",
    CompaniesWrite = "companies:write",
    LeadsRead = "leads:read",
    LeadsWrite = "leads:write",
    PipelinesRead = "pipelines:read",
    PipelinesWrite = "pipelines:write",
    ActivitiesRead = "activities:read",
    ActivitiesWrite = "activities:write",
    WebhooksRead = "webhooks:read",
    WebhooksWrite = "webhooks:write",
    WebhooksSecrets = "webhooks:secrets",
    ApiKeysRead = "api_keys:read",
    ApiKeysWrite = "api_keys:write",
    UsersRead = "users:read",
    SettingsRead = "settings:read",
    SettingsWrite = "settings:write",
    AuditRead = "audit:read",
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text).ok_or(UnknownName)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// A scope or role that this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

/// What a user is in its tenant (requirement T-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// May do everything.
    Owner,
    /// May do everything but what only an owner may (none of today's scopes).
    Admin,
    /// Works with the CRM's records.
    Member,
    /// Looks at the CRM's records.
    ReadOnly,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Role; 4] = [Role::Owner, Role::Admin, Role::Member, Role::ReadOnly];

    /// Their names.
    pub const NAMES: &'static [&'static str] = &[
        Role::Owner.as_str(),
        Role::Admin.as_str(),
        Role::Member.as_str(),
        Role::ReadOnly.as_str(),
    ];

    /// The name used on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Member => "member",
            Role::ReadOnly => "read_only",
        }
    }

    /// Whether the role holds the scope.
    #[must_use]
    pub fn holds(self, scope: Scope) -> bool {
        use Scope as S;
        match self {
            Role::Owner | Role::Admin => true,
            Role::Member => !matches!(
                scope,
                S::ContactsErase
                    | S::WebhooksWrite
                    | S::WebhooksSecrets
                    | S::ApiKeysRead
                    | S::ApiKeysWrite
                    | S::SettingsWrite
                    | S::AuditRead
            ),
            Role::ReadOnly => {
                scope.as_str().ends_with(":read") && !matches!(scope, S::ApiKeysRead | S::AuditRead)
            }
        }
    }
}

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_scopes_and_roles() {
        assert!(
            Scope::ALL.iter().all(|scope| scope.as_str().parse::<Scope>().ok() == Some(*scope))
        );
        assert!(Role::ALL.iter().all(|role| role.as_str().parse::<Role>().ok() == Some(*role)));
    }

    #[test]
    fn each_role_holds_no_more_than_the_one_above_it() {
        for pair in Role::ALL.windows(2) {
            assert!(Scope::ALL.iter().all(|&scope| pair[0].holds(scope) || !pair[1].holds(scope)));
        }
        assert!(!Role::ReadOnly.holds(Scope::ContactsWrite));
        assert!(!Role::Member.holds(Scope::ApiKeysWrite));
        assert!(
            Role::Admin.holds(Scope::ContactsErase) && !Role::Member.holds(Scope::ContactsErase)
        );
    }
}
