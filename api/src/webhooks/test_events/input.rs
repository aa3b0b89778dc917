//! Which event is tested.

use shared::event::EventType;
use utoipa::ToSchema;

use crate::http::fields::{Fields, Input};
use crate::http::rules;

/// Which event is tested.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"event": "contact.created"}))]
pub struct TestEvent {
    /// An event, whether or not the webhook listens for it; the first that it listens for, when absent.
    #[schema(value_type = Option<String>)]
    pub event: Option<EventType>,
}

impl Input for TestEvent {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let event = fields.optional("event", rules::one_of(EventType::ALL, EventType::as_str));
        Some(Self { event: event? })
    }
}
