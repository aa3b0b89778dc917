//! One route of the table as an operation.

use http::Method;
use serde_json::{Map, Value, json};

use super::answers::{shared, with_headers};
use super::schemas::{Schemas, reference};
use crate::http::answer::Pagination;
use crate::http::doc::{Outcome, SchemaOf};
use crate::http::routes::{Access, Route};

/// What the document says of a route.
pub(super) fn of(route: &Route, schemas: &mut Schemas) -> Value {
    let doc = &route.doc;
    let mut operation = json!({
        "operationId": doc.id,
        "summary": doc.summary,
        "description": needs(route.access),
        "tags": [route.tag],
        "parameters": parameters(route),
        "responses": responses(route, schemas),
    });
    match route.access {
        Access::Public => operation["security"] = json!([]),
        Access::User => operation["security"] = json!([{"bearer": []}]),
        Access::Any | Access::Scope(_) => {}
    }
    if let Some(body) = doc.body {
        let content = json!({"schema": schemas.sent(body)});
        operation["requestBody"] =
            json!({"required": !doc.body_optional, "content": {"application/json": content}});
    }
    if route.deprecation.is_some() {
        operation["deprecated"] = json!(true);
    }
    operation
}

fn needs(access: Access) -> String {
    match access {
        Access::Public => "Needs no credential.".to_owned(),
        Access::User => "Needs a signed-in user; API keys are refused.".to_owned(),
        Access::Any => "Needs any valid credential.".to_owned(),
        Access::Scope(scope) => format!("Needs the scope `{scope}`."),
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut all = Vec::new();
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for name in names {
        all.push(json!({"name": name, "in": "path", "required": true,
            "schema": {"type": "string", "format": "uuid"}}));
    }
    all.extend(route.doc.query.iter().filter_map(|own| serde_json::to_value(own).ok()));
    let called = route.access != Access::Public;
    if route.method == Method::GET {
        if matches!(route.doc.outcome, Outcome::Data(_) | Outcome::Page(_)) {
            all.push(text("fields", "query", "Members to show, divided by commas; all by default"));
            all.push(text("If-None-Match", "header", "The `ETag` of an answer that is known"));
        }
    } else if called {
        all.push(json!({"name": "dryRun", "in": "query", "required": false,
            "description": "Checks everything and keeps nothing", "schema": {"type": "boolean", "default": false}}));
    }
    if route.method == Method::POST && called {
        all.push(json!({"name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A repetition with the same key gets the first answer and changes nothing",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}}));
    }
    if route.doc.conditional {
        all.push(text("If-Match", "header", "The `ETag` that the record must still have"));
    }
    all
}

fn text(name: &str, place: &str, what: &str) -> Value {
    json!({"name": name, "in": place, "required": false, "description": what, "schema": {"type": "string"}})
}

fn responses(route: &Route, schemas: &mut Schemas) -> Map<String, Value> {
    let (doc, reads) = (&route.doc, route.method == Method::GET);
    let called = route.access != Access::Public;
    let mut all = Map::new();
    let (status, success) = success(route, schemas);
    all.insert(status.to_owned(), success);
    if reads && matches!(doc.outcome, Outcome::Data(_) | Outcome::Page(_)) {
        let headers = with_headers(&["ETag"]);
        let same = json!({"description": "Nothing has changed since `If-None-Match`", "headers": headers});
        all.insert("304".to_owned(), same);
    }
    let body = doc.body.is_some() || doc.streams;
    let statuses = [
        (400, true),
        (401, true),
        (403, called),
        (404, true),
        (408, body),
        (409, doc.conflict.is_some() || (route.method == Method::POST && called)),
        (412, doc.conditional),
        (413, body),
        (415, body),
        (422, route.method == Method::POST && called),
        (429, true),
        (500, true),
        (503, true),
    ];
    let given = statuses.into_iter().filter(|(_, given)| *given);
    all.extend(given.filter_map(|(status, _)| shared(status)));
    all
}

fn success(route: &Route, schemas: &mut Schemas) -> (&'static str, Value) {
    let written = route.method == Method::POST && route.access != Access::Public;
    let replayed: &[&str] = if written { &["Idempotency-Replayed"] } else { &[] };
    let headers = |own: &[&str]| with_headers(&[own, replayed].concat());
    match route.doc.outcome {
        Outcome::Data(schema) => {
            ("200", enveloped("The record", headers(&["ETag"]), schemas.shown(schema), None))
        }
        Outcome::Created(schema) => {
            let headers = headers(&["ETag", "Location"]);
            ("201", enveloped("The new record", headers, schemas.shown(schema), None))
        }
        Outcome::Accepted(schema) => {
            let headers = headers(&["ETag", "Location"]);
            ("202", enveloped("Begun", headers, schemas.shown(schema), None))
        }
        Outcome::Page(schema) => {
            let pagination = schemas.shown(SchemaOf::of::<Pagination>());
            let items = json!({"type": "array", "items": schemas.shown(schema)});
            let headers = headers(&["ETag", "Link"]);
            ("200", enveloped("A page of records", headers, items, Some(pagination)))
        }
        Outcome::NoContent => ("204", json!({"description": "Done", "headers": headers(&[])})),
        Outcome::Events => {
            let content = json!({"text/event-stream": {"schema": {"type": "string"}}});
            ("200", json!({"description": "Server-sent events", "content": content}))
        }
    }
}

fn enveloped(
    what: &str,
    headers: Map<String, Value>,
    data: Value,
    pagination: Option<Value>,
) -> Value {
    let mut envelope = json!({
        "type": "object",
        "required": ["success", "data", "metadata"],
        "properties": {
            "success": {"type": "boolean", "enum": [true]},
            "data": data,
            "metadata": reference("Metadata"),
        },
    });
    if let Some(pagination) = pagination {
        envelope["properties"]["pagination"] = pagination;
        envelope["required"] = json!(["success", "data", "pagination", "metadata"]);
    }
    json!({"description": what, "headers": headers, "content": {"application/json": {"schema": envelope}}})
}
