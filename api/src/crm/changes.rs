//! What an update changed, for the `previous` of its event.

use serde::Serialize;
use serde_json::{Map, Value};

/// Members that change with every update and say nothing by themselves.
const BOOKKEEPING: [&str; 2] = ["updatedAt", "version"];

/// A record after an update, with the former values of what changed.
#[derive(Serialize)]
pub struct Updated<'a, T: Serialize> {
    #[serde(flatten)]
    record: &'a T,
    previous: Map<String, Value>,
}

impl<'a, T: Serialize> Updated<'a, T> {
    /// Compares the record as its readers see it.
    ///
    /// # Errors
    /// A record that does not serialise.
    pub fn new(before: &T, after: &'a T) -> serde_json::Result<Self> {
        let (before, now) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
        let mut previous = Map::new();
        if let Value::Object(before) = before {
            for (name, value) in before {
                if now.get(&name) != Some(&value) && !BOOKKEEPING.contains(&name.as_str()) {
                    previous.insert(name, value);
                }
            }
        }
        Ok(Self { record: after, previous })
    }
}
