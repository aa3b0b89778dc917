//! The forms that an upload may have, for the document.

use serde_json::{Value, json};

use super::rows::FIELDS;
use crate::http::doc::Streamed;

/// See the module.
pub(super) const FORMS: &[Streamed] = &[
    Streamed { media_type: "application/json", shown: rows },
    Streamed { media_type: "application/x-ndjson", shown: || (lines(), json!(NDJSON)) },
    Streamed { media_type: "text/csv", shown: || (lines(), json!(CSV)) },
    Streamed { media_type: "multipart/form-data", shown: form },
];

const NDJSON: &str = "{\"name\":\"Ada\"}\n{\"name\":\"Bob\"}\n";
const CSV: &str = "name,email\nAda,ada@example.com\n";

/// The failed rows of an import, as an example.
pub(super) const ERRORS: &str =
    "name,email,_row,_line,_errors\nAda,ada,2,3,email: Invalid email format\n";

/// What is wrong with a row is told of the row, so that any object is one.
fn rows() -> (Value, Value) {
    let row = json!({"type": "object", "description": "A contact, as `POST /api/v1/connection/contacts` takes it."});
    let list = json!({"type": "array", "minItems": 1, "items": row});
    let schema =
        json!({"type": "object", "required": ["contacts"], "properties": {"contacts": list}});
    (schema, json!({"contacts": [{"name": "Ada", "email": "ada@example.com"}]}))
}

fn lines() -> Value {
    json!({"type": "string", "minLength": 1})
}

fn form() -> (Value, Value) {
    let schema = json!({"type": "object", "required": ["file"], "properties": {
        "mapping": {"type": "object", "additionalProperties": {"enum": fields()},
            "description": "Which column of a CSV is which field; `null` leaves a column out. Comes before `file`."},
        "file": {"type": "string", "contentMediaType": "application/octet-stream",
            "description": "CSV, NDJSON or JSON, by its type or else by its name."},
    }});
    (schema, json!({"file": CSV}))
}

/// What a column can be: a field, or nothing.
fn fields() -> Vec<Option<&'static str>> {
    FIELDS.into_iter().map(Some).chain([None]).collect()
}
