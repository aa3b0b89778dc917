//! The members that `data` of some event has, and those of the objects in it: made of the same schemas as the document,
//! so that a name that is mistyped is an error and a new member of a record is known at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;
use shared::event::EventType;

use crate::events::{Member, payload};
use crate::http::doc::SchemaOf;
use crate::http::fields::READ_ONLY;

/// What is said of a name that is not known.
pub(super) const UNKNOWN: &str =
    "Must be a member of some event's data, such as status, or previous.status";

/// The same of a name in `changed`.
pub(super) const UNKNOWN_CHANGE: &str =
    "Must be a member that an update can change, such as status";

/// The object that holds former values.
pub(super) const PREVIOUS: &str = "previous";

#[derive(Default)]
struct Known {
    /// Names as filters and masks write them.
    all: BTreeSet<String>,
    /// Names of what an update can change and tells: not what every update changes, or none.
    changing: BTreeSet<String>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known::default();
    for event in EventType::ALL {
        let payload = payload(*event);
        let members = with_parts(payload.record);
        for (name, member) in &payload.more {
            known.all.insert((*name).to_owned());
            let inside = match member {
                Member::Sign(_) | Member::Plain(..) => BTreeSet::new(),
                Member::Previous(_) => {
                    let told = members.keys().filter(|name| !READ_ONLY.contains(&name.as_str()));
                    known.changing.extend(told.cloned());
                    members.keys().cloned().collect()
                }
                Member::Record(record) | Member::RecordOrNull(record) => record.members(),
            };
            known.all.extend(inside.iter().map(|part| format!("{name}.{part}")));
        }
        for (name, parts) in members {
            known.all.extend(parts.iter().map(|part| format!("{name}.{part}")));
            known.all.insert(name);
        }
    }
    known
});

/// The members of a record, each with those of the record that it holds.
fn with_parts(record: SchemaOf) -> BTreeMap<String, BTreeSet<String>> {
    let mut inner = Vec::new();
    (record.inner)(&mut inner);
    let inner: BTreeMap<String, Value> = inner
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect();
    let schema = serde_json::to_value((record.schema)()).unwrap_or_default();
    let members = schema["properties"].as_object().into_iter().flatten();
    members.map(|(name, member)| (name.clone(), parts(member, &inner))).collect()
}

/// The members of the record that a member refers to, directly or as one of several possibilities.
fn parts(member: &Value, inner: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let choices = ["oneOf", "anyOf", "allOf"].iter().filter_map(|way| member[*way].as_array());
    let named = choices.flatten().chain([member]).filter_map(|part| part["$ref"].as_str());
    let records = named.filter_map(|pointer| inner.get(pointer.rsplit('/').next()?));
    let members = records.filter_map(|record| record["properties"].as_object());
    members.flat_map(|members| members.keys().cloned()).collect()
}

/// Whether a filter or a mask may name it.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.all.contains(name)
}

/// Everything [`is_known`] accepts.
pub(super) fn all() -> &'static BTreeSet<String> {
    &KNOWN.all
}

/// What `changed` of a filter can name.
pub(super) fn changing() -> &'static BTreeSet<String> {
    &KNOWN.changing
}

/// Whether `changed` can name it.
pub(super) fn is_changing(name: &str) -> bool {
    KNOWN.changing.contains(name)
}
