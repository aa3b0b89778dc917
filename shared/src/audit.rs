//! Who changed what: one entry for each change, written with the commit that makes it.

use uuid::Uuid;

use crate::id::{ApiKeyId, UserId};

/// Who makes a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Actor {
    /// The product itself, or an operator at its command line.
    #[default]
    System,
    /// A program with an API key.
    ApiKey(ApiKeyId),
    /// A person.
    User(UserId),
}

impl Actor {
    /// Every name of [`Actor::kind`].
    pub const KINDS: &'static [&'static str] = &["system", "api_key", "user"];

    /// Who has this kind and id; the system where nobody has.
    #[must_use]
    pub fn from_parts(kind: &str, id: Option<Uuid>) -> Self {
        match (kind, id) {
            ("api_key", Some(id)) => Self::ApiKey(ApiKeyId(id)),
            ("user", Some(id)) => Self::User(UserId(id)),
            _ => Self::System,
        }
    }

    /// The name used on the wire and in the database.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::ApiKey(_) => "api_key",
            Self::User(_) => "user",
        }
    }

    /// The key's or the user's id.
    #[must_use]
    pub fn id(self) -> Option<Uuid> {
        match self {
            Self::System => None,
            Self::ApiKey(id) => Some(id.0),
            Self::User(id) => Some(id.0),
        }
    }
}

/// A change, as the audit log keeps it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The id of the event that tells of the change, or a fresh one.
    pub id: Uuid,
    /// What was done, such as `contact.updated`.
    pub action: String,
    /// What it was done to, such as `contact`.
    pub record_type: &'static str,
    /// The record's id.
    pub record_id: Uuid,
    /// JSON text of the record before; of an update, only what it changed.
    pub before: Option<String>,
    /// JSON text of the record after; of an update, only what it changed.
    pub after: Option<String>,
}
