//! What an event is about, told by its payload: the log and the webhooks with an order want to know, and whoever writes
//! the payload reads it most cheaply (docs/decisions/0045).

use serde::Deserialize;
use uuid::Uuid;

/// The record that an event is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Its id; none where the relay has to look for it.
    pub record: Option<Uuid>,
    /// Its version after the change, where it has one.
    pub version: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    id: Option<Uuid>,
    pipeline_id: Option<Uuid>,
    tenant_id: Option<Uuid>,
    version: Option<i32>,
}

impl Subject {
    /// Of JSON text. Migration 0032 has the same in SQL, for what is written without.
    pub(crate) fn of(payload: &str) -> Self {
        let Ok(told) = serde_json::from_str::<Members>(payload) else { return Self::default() };
        let record = told.id.or(told.pipeline_id).or(told.tenant_id);
        Self { record, version: told.version.filter(|_| record.is_some()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "01930000-0000-7000-8000-000000000001";
    const TWO: &str = "01930000-0000-7000-8000-000000000002";

    fn about(payload: &str, record: Option<&str>, version: Option<i32>) {
        let record = record.map(|id| id.parse().unwrap());
        assert_eq!(Subject::of(payload), Subject { record, version }, "{payload}");
    }

    #[test]
    fn a_record_says_who_it_is_before_it_says_whose() {
        let contact = format!(r#"{{"id":"{ONE}","tenantId":"{TWO}","name":"Ada","version":7}}"#);
        about(&contact, Some(ONE), Some(7));
        let stages = format!(r#"{{"pipelineId":"{ONE}","tenantId":"{TWO}","stages":[]}}"#);
        about(&stages, Some(ONE), None);
        let settings = format!(r#"{{"tenantId":"{TWO}","version":3}}"#);
        about(&settings, Some(TWO), Some(3));
    }

    #[test]
    fn only_its_own_members_count() {
        let inner =
            format!(r#"{{"id":"{ONE}","previous":{{"id":"{TWO}","version":1}},"version":2}}"#);
        about(&inner, Some(ONE), Some(2));
    }

    #[test]
    fn of_anything_else_the_relay_has_to_look() {
        let numbered = format!(r#"{{"id":"{ONE}","version":"first"}}"#);
        for payload in [r#"{"id":"Ada"}"#, r#"{"version":2}"#, "[]", "7", "", &numbered] {
            about(payload, None, None);
        }
    }
}
