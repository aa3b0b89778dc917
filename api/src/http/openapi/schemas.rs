//! The schemas of records and bodies, gathered from the types that are answered and read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::doc::SchemaOf;
use crate::http::fields::READ_ONLY;

/// Every schema by its name.
#[derive(Default)]
pub(super) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Adds a type that answers show, and returns a reference to it. All its members are always there.
    pub(super) fn shown(&mut self, used: SchemaOf) -> Value {
        self.gather(used, |schema| {
            let members = schema["properties"].as_object();
            let names: Option<Vec<_>> = members.map(|members| members.keys().cloned().collect());
            if let Some(names) = names {
                schema["required"] = json!(names);
            }
        })
    }

    /// Adds a type that requests send, and returns a reference to it. What it does not name is refused, but for what
    /// answers show and a request may repeat.
    pub(super) fn sent(&mut self, used: SchemaOf) -> Value {
        self.gather(used, |schema| {
            let ignored = json!({"readOnly": true, "description": "Ignored: an answer can be sent back"});
            let Some(members) = schema["properties"].as_object_mut() else { return };
            for name in READ_ONLY.iter().chain(used.ignored) {
                members.entry(*name).or_insert_with(|| ignored.clone());
            }
            schema["additionalProperties"] = json!(false);
        })
    }

    pub(super) fn into_map(mut self) -> BTreeMap<String, Value> {
        self.0.insert("Metadata".into(), metadata());
        self.0.insert("Error".into(), error());
        self.0.insert("Problem".into(), problem());
        self.0
    }

    fn gather(&mut self, used: SchemaOf, finish: impl Fn(&mut Value)) -> Value {
        let mut inner = Vec::new();
        (used.inner)(&mut inner);
        inner.push(((used.name)(), (used.schema)()));
        for (name, schema) in inner {
            let mut schema = serde_json::to_value(schema).unwrap_or_default();
            finish(&mut schema);
            self.0.entry(name).or_insert(schema);
        }
        reference(&(used.name)())
    }
}

pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn metadata() -> Value {
    json!({
        "type": "object",
        "required": ["timestamp", "requestId"],
        "properties": {
            "timestamp": {"type": "string", "format": "date-time"},
            "requestId": {"type": "string", "description": "As in `X-Request-Id`; quote it in a report"},
            "dryRun": {"type": "boolean", "enum": [true], "description": "Nothing was kept"},
            "events": {"type": "array", "items": {"type": "string"},
                "description": "What would have been announced, of a dry run"},
        },
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["success", "error", "code", "metadata"],
        "properties": {
            "success": {"type": "boolean", "enum": [false]},
            "error": {"type": "string", "description": "For people"},
            "code": {"type": "string", "description": "For programs: stable"},
            "details": {"type": "object", "additionalProperties": {"type": "string"},
                "description": "What is wrong, by field (`stages[0].name`) or parameter"},
            "metadata": reference("Metadata"),
        },
    })
}

/// RFC 9457.
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string", "format": "uri"},
            "code": {"type": "string"},
            "errors": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    })
}
