//! What `fields` leaves of an event's `data`, as `masked_payload` of migration 0028 has it: the relay masks in SQL, many
//! events at once; this is the same for an event that is not relayed. A test holds them together (tests/it/webhooks).

use serde_json::{Map, Value};

use super::members::PREVIOUS;

/// The record's id and version, the members that are named, of objects those that are named with a full stop, and the
/// former values of what is named.
pub(in crate::webhooks) fn masked(
    data: Map<String, Value>,
    fields: &[String],
) -> Map<String, Value> {
    let named = |name: &str| fields.iter().any(|field| field == name);
    let identity: &[&str] = match data.get("id") {
        Some(_) => &["id", "version"],
        None => &["pipelineId", "tenantId", "version"],
    };
    let left = data.into_iter().filter_map(|(name, value)| {
        if named(&name) || identity.contains(&name.as_str()) {
            return Some((name, value));
        }
        let Value::Object(mut parts) = value else { return None };
        parts.retain(|part, _| named(&format!("{name}.{part}")) || name == PREVIOUS && named(part));
        (!parts.is_empty()).then_some((name, Value::Object(parts)))
    });
    left.collect()
}
