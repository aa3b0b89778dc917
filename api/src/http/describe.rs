//! What a body may hold, as its own reading tells it: [`Input::read`] is run once with nothing to read, and each rule
//! that it asks for leaves its schema here instead.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::doc::SchemaOf;
use super::fields::{Fields, Input, READ_ONLY};
use super::rules::Rule;

/// A body by name: its words come from its type, everything else from its rules.
#[derive(Clone, Copy)]
pub struct Body {
    /// Name, description, example, and a description of each member.
    pub words: SchemaOf,
    /// What its rules say.
    pub describe: fn() -> Description,
}

impl Body {
    /// The body of this type.
    #[must_use]
    pub const fn of<T: Input + ToSchema>() -> Self {
        Self { words: SchemaOf::of::<T>(), describe: Fields::describe::<T> }
    }
}

/// What a body's rules say.
#[derive(Debug, Default)]
pub struct Description {
    members: BTreeMap<String, Value>,
    required: Vec<String>,
    ignored: Vec<String>,
    open: bool,
    together: Map<String, Value>,
    /// Bodies inside it.
    pub inner: Vec<Body>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&(self.words.name)())
    }
}

impl Description {
    pub(super) fn member<T>(
        &mut self,
        name: &str,
        rule: &impl Rule<T>,
        (required, nullable): (bool, bool),
    ) {
        let schema = rule.schema(&mut self.inner);
        let schema = if nullable { or_null(schema) } else { schema };
        self.members.insert(name.to_owned(), schema);
        if required {
            self.required.push(name.to_owned());
        }
    }

    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.ignored.extend(names.iter().map(|name| (*name).to_owned()));
    }

    pub(super) fn ignore_rest(&mut self) {
        self.open = true;
    }

    pub(super) fn together(&mut self, rule: Value) {
        if let Value::Object(rule) = rule {
            self.together.extend(rule);
        }
    }

    /// The whole schema, with the words of the body's type.
    #[must_use]
    pub fn schema(mut self, words: &Value) -> Value {
        for (name, schema) in &mut self.members {
            let member = &words["properties"][name];
            // utoipa describes the record, not the choice between the record and `null`.
            if let Some(what) = member.get("description").or(member["oneOf"][0].get("description"))
            {
                schema["description"] = what.clone();
            }
        }
        let names = READ_ONLY.iter().copied().chain(self.ignored.iter().map(String::as_str));
        let ignored = json!({"readOnly": true, "description": "Ignored, so that an answer can be sent back."});
        for name in names {
            self.members.entry(name.to_owned()).or_insert_with(|| ignored.clone());
        }
        let mut schema = json!({
            "type": "object",
            "properties": self.members,
            "additionalProperties": self.open,
        });
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        if let Some(what) = words.get("description") {
            schema["description"] = what.clone();
        }
        if let Some(example) = words.get("example") {
            schema["examples"] = json!([example]);
        }
        for (name, rule) in self.together {
            schema[name] = rule;
        }
        schema
    }
}

/// The schema of what passes this one, and of `null`.
fn or_null(mut schema: Value) -> Value {
    let Some(kind) = schema.get("type").and_then(Value::as_str).map(str::to_owned) else {
        return json!({"anyOf": [schema, {"type": "null"}]});
    };
    schema["type"] = json!([kind, "null"]);
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    schema
}
