//! Who did something, as answers show it.

use serde::{Deserialize, Serialize};
use shared::audit::Actor;
use utoipa::ToSchema;
use uuid::Uuid;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Actor)]
pub struct DoneBy {
    /// `user`, `api_key` or `system`.
    #[serde(rename = "type")]
    #[schema(schema_with = kind_schema)]
    pub kind: String,
    /// The user's or the key's id; `null` for the system.
    #[schema(required)]
    pub id: Option<Uuid>,
}

/// What somebody can be.
pub const ACTOR_TYPES: &[&str] = &["user", "api_key", "system"];

fn kind_schema() -> utoipa::openapi::Object {
    crate::http::doc::words("What it is.", ACTOR_TYPES)
}

impl From<Actor> for DoneBy {
    fn from(actor: Actor) -> Self {
        Self { kind: actor.kind().to_owned(), id: actor.id() }
    }
}
