//! The parameters of an operation: those of its path and its query, and what every route of its kind understands.

use http::Method;
use serde_json::{Value, json};

use super::operation::once;
use crate::http::doc::Outcome;
use crate::http::parameters::Parameter;
use crate::http::routes::Route;

/// `components.parameters`: what many operations share.
pub(super) fn shared() -> Value {
    let header = |name: &str, what: &str, schema: Value| json!({"name": name, "in": "header", "required": false, "description": what, "schema": schema});
    json!({
        "RequestId": header(
            "X-Request-Id",
            "An id of one's own for the request, 1 to 128 visible ASCII characters; anything else is replaced",
            json!({"type": "string"}),
        ),
        "TraceParent": header(
            "traceparent",
            "W3C Trace Context, which is continued in our logs and on the events; ignored in any other form",
            json!({"type": "string"}),
        ),
        "IdempotencyKey": header(
            "Idempotency-Key",
            "A repetition with the same key within 24 hours gets the first answer and changes nothing",
            json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
        ),
        "IfMatch": header(
            "If-Match",
            "The `ETag` that the record must still have; `*` is any",
            json!({"type": "string"}),
        ),
        "IfNoneMatch": header(
            "If-None-Match",
            "The `ETag` of an answer that is known",
            json!({"type": "string"}),
        ),
        "DryRun": {
            "name": "dryRun", "in": "query", "required": false,
            "description": "Checks everything, answers as the real thing would, and keeps nothing",
            "schema": {"type": "boolean", "default": false},
        },
    })
}

/// References to those that every operation of a path understands.
pub(super) fn of_path() -> Value {
    json!([reference("RequestId"), reference("TraceParent")])
}

/// All others of a route.
pub(super) fn of(route: &Route) -> Vec<Value> {
    let mut all: Vec<Value> = in_path(&route.path).collect();
    all.extend(route.doc.query.iter().map(query));
    let reads = route.method == Method::GET;
    if let (true, Outcome::Data(shown) | Outcome::Page(shown)) = (reads, &route.doc.outcome) {
        let fields = Parameter::new(
            "fields",
            "Members to show; all by default",
            json!({"type": "array", "minItems": 1, "items": {"type": "string", "enum": shown.members()}}),
        );
        all.push(query(&fields));
        all.push(reference("IfNoneMatch"));
    }
    if route.access.rehearses(&route.method) {
        all.push(reference("DryRun"));
    }
    if once(route) {
        all.push(reference("IdempotencyKey"));
    }
    if route.doc.conditional {
        all.push(reference("IfMatch"));
    }
    all.extend(route.doc.headers.iter().map(|(name, what)| {
        json!({"name": name, "in": "header", "required": false, "description": what, "schema": {"type": "string"}})
    }));
    all
}

fn in_path(path: &str) -> impl Iterator<Item = Value> + '_ {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        json!({"name": name, "in": "path", "required": true,
            "description": "An id of the tenant's; any other is 404", "schema": {"type": "string", "format": "uuid"}})
    })
}

fn query(parameter: &Parameter) -> Value {
    let Parameter { name, what, schema } = parameter;
    let mut described = json!({"name": name, "in": "query", "required": false, "description": what, "schema": schema});
    if schema["type"] == "array" {
        described["style"] = json!("form");
        described["explode"] = json!(false);
    }
    described
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}
