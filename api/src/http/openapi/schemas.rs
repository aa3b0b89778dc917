//! The schemas of records and bodies, gathered from the types that are answered and read.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::http::describe::Body;
use crate::http::doc::SchemaOf;
use crate::http::expand::Expansion;

/// Every schema by its name.
#[derive(Default)]
pub(super) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Adds a type that answers show, and returns a reference to it. All its members are always there.
    pub(super) fn shown(&mut self, used: SchemaOf) -> Value {
        let mut inner = Vec::new();
        (used.inner)(&mut inner);
        inner.push(((used.name)(), (used.schema)()));
        for (name, schema) in inner {
            let mut schema = serde_json::to_value(schema).unwrap_or_default();
            require_all(&mut schema);
            let members = schema["properties"].as_object().cloned().unwrap_or_default();
            if let Some(mut example) = take_example(&mut schema) {
                self.inherit(&mut example, &schema);
                complete(&mut example, &members);
                schema["examples"] = json!([example]);
            }
            let known = self.0.entry(name.clone()).or_insert_with(|| schema.clone());
            // The later one would be described as the earlier one: give one of them `#[schema(as = …)]`.
            debug_assert!(*known == schema, "two types of the document are called {name}");
        }
        reference(&(used.name)())
    }

    /// Adds what `fields` may leave of a type that answers show, with what `expand` may add, and returns a reference.
    pub(super) fn view(&mut self, used: SchemaOf, expansions: &[Expansion]) -> Value {
        let whole = self.shown(used);
        let name = format!("{}View", (used.name)());
        let mut members = self.members(&(used.name)());
        for expansion in expansions {
            let record = self.shown(expansion.schema);
            let what =
                format!("What `{}` refers to, with `expand={}`.", expansion.member, expansion.name);
            let schema = json!({"description": what, "anyOf": [record, {"type": "null"}]});
            members.insert(format!("{}Record", expansion.name), schema);
        }
        let what = "The members that `fields` names, and the records that `expand` names.";
        let view = json!({"type": "object", "description": what, "properties": members});
        let known = self.0.entry(name.clone()).or_insert_with(|| view.clone());
        // The same record may be shown with expansions and without.
        if let (Some(known), Some(more)) =
            (known["properties"].as_object_mut(), view["properties"].as_object())
        {
            known.extend(more.clone());
        }
        json!({"anyOf": [whole, reference(&name)]})
    }

    /// Adds what a webhook's `fields` may leave of a type that is here already, and returns a reference.
    pub(super) fn masked(&mut self, used: SchemaOf) -> Value {
        let (whole, name) = ((used.name)(), format!("{}Masked", (used.name)()));
        let members = self.members(&whole).into_iter();
        let left: Map<_, _> = members.map(|(name, member)| (name, self.thinned(&member))).collect();
        let what = "The members that a webhook's `fields` names.";
        let schema = json!({"type": "object", "description": what, "properties": left});
        self.0.insert(name.clone(), schema);
        reference(&name)
    }

    /// A member, or as much of the record in it as `fields` names.
    pub(super) fn thinned(&self, member: &Value) -> Value {
        let choices = ["oneOf", "anyOf"].iter().filter_map(|way| member[*way].as_array());
        let records = choices.flatten().chain([member]).filter_map(|one| one["$ref"].as_str());
        let names = records.filter_map(|pointer| pointer.rsplit('/').next());
        let parts: Map<_, _> = names.flat_map(|name| self.members(name)).collect();
        if parts.is_empty() {
            return member.clone();
        }
        let mut thinned = json!({"anyOf": [member, {"type": "object", "properties": parts}]});
        // As for bodies: utoipa may say it of the record in a choice.
        if let Some(what) = member.get("description").or(member["oneOf"][0].get("description")) {
            thinned["description"] = what.clone();
        }
        thinned
    }

    /// Adds a type that requests send, with those inside it, and returns a reference.
    pub(super) fn sent(&mut self, body: Body) -> Value {
        let (name, described) = ((body.words.name)(), (body.describe)());
        for inner in &described.inner {
            self.sent(*inner);
        }
        let words = serde_json::to_value((body.words.schema)()).unwrap_or_default();
        self.0.entry(name.clone()).or_insert_with(|| described.schema(&words));
        reference(&name)
    }

    /// Adds to an example those of the schemas that its own contains.
    fn inherit(&self, example: &mut Value, schema: &Value) {
        let parts = schema["allOf"].as_array().into_iter().flatten();
        let names = parts.filter_map(|part| part["$ref"].as_str()?.rsplit('/').next());
        for inherited in names.filter_map(|name| self.0.get(name)?["examples"][0].as_object()) {
            for (name, value) in inherited {
                example[name] = value.clone();
            }
        }
    }

    /// The members of a schema that is here already.
    pub(super) fn members(&self, name: &str) -> Map<String, Value> {
        let members = self.0.get(name).and_then(|schema| schema["properties"].as_object());
        members.cloned().unwrap_or_default()
    }

    /// The example of a schema that is here already.
    pub(super) fn example(&self, used: SchemaOf) -> Option<Value> {
        self.0.get(&(used.name)())?.get("examples")?.get(0).cloned()
    }

    pub(super) fn into_map(mut self) -> BTreeMap<String, Value> {
        self.0.insert("Metadata".into(), metadata());
        self.0.insert("Error".into(), error());
        self.0.insert("Problem".into(), problem());
        self.0
    }
}

/// Marks the members that an answer may leave out.
const MAY_BE_ABSENT: &str = "x-may-be-absent";

/// All members of an answer are always there, but for those that are marked.
fn require_all(schema: &mut Value) {
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let absent = |member: &mut Value| member.as_object_mut()?.remove(MAY_BE_ABSENT);
        let always = members.iter_mut().filter_map(|(name, member)| {
            absent(member).is_none().then(|| Value::String(name.clone()))
        });
        schema["required"] = always.collect();
    }
    for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        require_all(part);
    }
}

/// OpenAPI 3.1 has `example` no longer, JSON Schema has `examples`.
fn take_example(schema: &mut Value) -> Option<Value> {
    schema.as_object_mut()?.remove("example")
}

/// Adds to an example what its author need not say: ids, times, versions, and `null` for what may be absent.
fn complete(example: &mut Value, members: &Map<String, Value>) {
    for (name, schema) in members {
        let nullable =
            schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
        let either =
            schema["oneOf"].as_array().is_some_and(|of| of.contains(&json!({"type": "null"})));
        let value = match schema["format"].as_str() {
            _ if !example[name].is_null() => continue,
            _ if nullable || either => Value::Null,
            Some("uuid") => json!("01a2036c-0d4c-7400-87c8-25f570a5ef21"),
            Some("date-time") => json!("2026-01-02T03:04:05.678Z"),
            _ if name == "version" => json!(1),
            _ => continue,
        };
        example[name] = value;
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
            "requestId": {"type": "string", "description": "As in `X-Request-Id`; quote it in a report."},
            "dryRun": {"type": "boolean", "const": true, "description": "Nothing was kept."},
            "events": {"type": "array", "items": {"type": "string"},
                "description": "What would have been announced, of a dry run."},
        },
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["success", "error", "code", "metadata"],
        "properties": {
            "success": {"type": "boolean", "const": false},
            "error": {"type": "string", "description": "For people."},
            "code": {"type": "string", "enum": crate::error::CODES, "description": "For programs: stable."},
            "details": {"type": "object", "additionalProperties": {"type": "string"},
                "description": "What is wrong, by field (`stages[0].name`) or parameter."},
            "metadata": reference("Metadata"),
        },
    })
}

/// RFC 9457.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "An error as RFC 9457 has it, for `Accept: application/problem+json`.",
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string", "format": "uri"},
            "code": {"type": "string", "enum": crate::error::CODES},
            "errors": {"type": "object", "additionalProperties": {"type": "string"},
                "description": "As `details` in the other form."},
        },
    })
}
