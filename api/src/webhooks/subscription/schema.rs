//! A filter in the OpenAPI document.

use std::borrow::Cow;

use serde_json::{Value, json};
use shared::event;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::filter::{Filter, Operator};
use super::{members, read};

const NAME: &str = "WebhookFilter";

/// Refers to it.
pub(super) fn reference() -> Value {
    json!({"$ref": format!("#/components/schemas/{NAME}")})
}

impl PartialSchema for Filter {
    fn schema() -> RefOr<Schema> {
        // Whatever the library could not take would be missing, which a test of the document sees.
        serde_json::from_value(schema()).unwrap_or_else(|_| ObjectBuilder::new().into())
    }
}

impl ToSchema for Filter {
    fn name() -> Cow<'static, str> {
        NAME.into()
    }
}

fn schema() -> Value {
    let list = |items: Value| json!({"type": "array", "minItems": 1, "maxItems": read::MOST, "items": items});
    let only = |name: &str, inside: Value| json!({"type": "object", "properties": {name: inside}, "required": [name], "additionalProperties": false});
    let words = |words: Value| json!({"type": "string", "enum": words});
    let text = || json!({"type": "string", "maxLength": read::LONGEST, "pattern": r"^[^\x00]*$"});
    let scalar =
        || json!({"anyOf": [text(), {"type": "number"}, {"type": "boolean"}, {"type": "null"}]});
    let ordered =
        || json!({"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]});
    let mut field = json!({"type": "object", "required": ["field"], "minProperties": 2, "additionalProperties": false,
        "properties": {"field": words(json!(members::all()))}});
    for operator in Operator::ALL {
        field["properties"][operator.as_str()] = match operator {
            Operator::Eq | Operator::Ne => scalar(),
            Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => ordered(),
            Operator::In => list(scalar()),
            Operator::Contains | Operator::StartsWith => {
                json!({"type": "string", "minLength": 1, "maxLength": read::LONGEST, "pattern": r"^[^\x00]*$"})
            }
            Operator::IsNull => json!({"type": "boolean"}),
        };
    }
    let what = format!(
        "Which events pass. At most {} objects deep, at most {} comparisons, names and values in all; numbers have at \
         most 28 digits, {} of them decimal places.",
        read::DEPTH,
        read::MOST,
        read::PLACES,
    );
    json!({"description": what, "oneOf": [
        only("all", list(reference())),
        only("any", list(reference())),
        only("not", reference()),
        only("changed", list(words(json!(members::changing())))),
        only("event", list(words(json!(event::patterns())))),
        field,
    ]})
}
