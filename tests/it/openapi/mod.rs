//! The OpenAPI document says what the api does, no more and no less.

mod defaults;
mod edges;
pub(crate) mod events;
mod examples;
mod served;
mod table;
mod words;

use serde_json::{Value, json};

/// The document of all routes.
pub(crate) fn document() -> Value {
    api::http::openapi::document(&api::routes())
}

/// Every operation of the document: method and path, and what it says about itself.
pub(crate) fn operations(document: &Value) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method != "parameters" {
                all.push((format!("{} {path}", method.to_uppercase()), operation));
            }
        }
    }
    all
}

/// What the document's `$ref` points to; anything else is itself.
pub(crate) fn resolved<'a>(document: &'a Value, item: &'a Value) -> &'a Value {
    match item["$ref"].as_str() {
        Some(pointer) => document.pointer(pointer.trim_start_matches('#')).expect(pointer),
        None => item,
    }
}

/// Why the value does not fit the schema, which may refer to others of the document.
pub fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": document["components"],
        "allOf": [schema],
    });
    let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
    let fault =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(value).map(fault).collect()
}
