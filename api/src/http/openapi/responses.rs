//! The answers of an operation: the one when all is well, and every error that it may give.

use http::Method;
use serde_json::{Map, Value, json};

use super::answers::{metadata, shared, with_headers};
use super::operation::{once, some};
use super::schemas::{Schemas, reference};
use crate::http::answer::Pagination;
use crate::http::doc::{Outcome, SchemaOf};
use crate::http::routes::{Access, Route};

/// All of them by status.
pub(super) fn of(route: &Route, schemas: &mut Schemas) -> Map<String, Value> {
    let mut all = Map::new();
    for (status, what, own) in successes(&route.doc.outcome) {
        all.insert((*status).to_owned(), success(route, (what, own), schemas));
    }
    if route.method == Method::GET && shown(&route.doc.outcome).is_some() {
        let what = "Nothing has changed since `If-None-Match`";
        all.insert(
            "304".to_owned(),
            json!({"description": what, "headers": with_headers(&["ETag"])}),
        );
    }
    if let Some(when) = route.doc.silent {
        all.insert("204".to_owned(), json!({"description": when, "headers": with_headers(&[])}));
    }
    if matches!(route.doc.outcome, Outcome::NoContent) && route.access.rehearses(&route.method) {
        all.insert("200".to_owned(), tried());
    }
    all.extend(refusals(route).filter_map(shared));
    if let (Some(when), Some(conflict)) = (route.doc.conflict, all.get_mut("409")) {
        conflict["description"] = json!(format!(
            "{when}. Or another request with the same `Idempotency-Key` is under way"
        ));
        if !once(route) {
            conflict["description"] = json!(when);
        }
    }
    all
}

fn refusals(route: &Route) -> impl Iterator<Item = u16> + '_ {
    let doc = &route.doc;
    let (called, once) = (route.access != Access::Public, once(route));
    let body = doc.body.is_some() || !doc.streams.is_empty();
    let statuses = [
        (400, true),
        (401, called),
        (403, called),
        (404, route.path.contains('{')),
        (405, true),
        (408, body || once),
        (409, doc.conflict.is_some() || once),
        (410, false),
        (412, doc.conditional),
        (413, body || once),
        (415, body),
        (422, once),
        (429, true),
        (500, true),
        (503, true),
    ];
    let given =
        statuses.into_iter().filter(|(status, given)| *given || doc.refuses.contains(status));
    given.map(|(status, _)| status)
}

/// The record that an answer shows.
fn shown(outcome: &Outcome) -> Option<SchemaOf> {
    match outcome {
        Outcome::Data(schema)
        | Outcome::Created(schema)
        | Outcome::Accepted(schema)
        | Outcome::AtOnceOrAccepted(schema)
        | Outcome::Page(schema) => Some(*schema),
        Outcome::File(..) | Outcome::Bare(..) | Outcome::NoContent | Outcome::Events(_) => None,
    }
}

/// Status, meaning and own headers of an answer.
type Success = (&'static str, &'static str, &'static [&'static str]);

fn successes(outcome: &Outcome) -> &'static [Success] {
    match outcome {
        Outcome::Data(_) => &[("200", "The record", &["ETag"])],
        Outcome::Created(_) => &[("201", "The new record", &["ETag", "Location"])],
        Outcome::Accepted(_) => &[("202", "Begun", &["ETag", "Location"])],
        Outcome::AtOnceOrAccepted(_) => {
            &[("200", "Done", &["ETag"]), ("202", "Begun", &["ETag", "Location"])]
        }
        Outcome::Page(_) => &[("200", "A page of records", &["ETag", "Link"])],
        Outcome::File(..) => &[("200", "The file", &[])],
        Outcome::Bare(..) => &[("200", "The document", &[])],
        Outcome::NoContent => &[("204", "Done", &[])],
        Outcome::Events(_) => &[("200", "Server-sent events", &[])],
    }
}

fn success(route: &Route, (what, own): (&str, &[&'static str]), schemas: &mut Schemas) -> Value {
    let mut names = own.to_vec();
    if once(route) {
        names.push("Idempotency-Replayed");
    }
    if route.deprecation.is_some() {
        names.extend(["Deprecation", "Sunset", "Link"]);
    }
    let mut headers = with_headers(&names);
    headers.extend(route.doc.answer_headers.iter().map(|(name, what)| {
        ((*name).to_owned(), json!({"description": what, "schema": {"type": "string"}}))
    }));
    let mut response = json!({"description": what, "headers": headers});
    let text = |example: &str| json!({"schema": {"type": "string"}, "example": example});
    if let Some(record) = shown(&route.doc.outcome) {
        response["content"] = json!({"application/json": enveloped(route, record, schemas)});
    } else if let Outcome::Events(example) = route.doc.outcome {
        // Some readers hold the text against the schema, others each of its events: it must hold for both.
        response["content"] = json!({"text/event-stream": {"schema": {}, "example": example}});
    } else if let Outcome::File(kind, example) = route.doc.outcome {
        response["content"] = json!({ kind: text(example) });
    } else if let Outcome::Bare(kind, document) = route.doc.outcome {
        let (schema, example) = (schemas.shown(document), schemas.example(document));
        response["content"] = json!({ kind: {"schema": schema, "example": example} });
    }
    response
}

/// A trial of what answers with nothing.
fn tried() -> Value {
    let mut metadata = metadata();
    metadata["dryRun"] = json!(true);
    metadata["events"] = json!(["contact.deleted"]);
    let example = json!({"success": true, "data": null, "metadata": metadata});
    let content = json!({"schema": envelope(&json!({"type": "null"})), "example": example});
    json!({"description": "Tried with `dryRun`, and not done", "content": {"application/json": content}})
}

fn envelope(data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["success", "data", "metadata"],
        "properties": {"success": {"type": "boolean", "const": true}, "data": data, "metadata": reference("Metadata")},
    })
}

fn enveloped(route: &Route, record: SchemaOf, schemas: &mut Schemas) -> Value {
    let mut data = if route.method == Method::GET {
        schemas.view(record, route.doc.expansions)
    } else {
        schemas.shown(record)
    };
    let mut example = schemas.example(record);
    let (mut page, mut pagination) = (None, None);
    if let Outcome::Page(_) = route.doc.outcome {
        let of_page = SchemaOf::of::<Pagination>();
        data = json!({"type": "array", "items": data});
        example = example.map(|record| json!([record]));
        pagination = Some(schemas.shown(of_page));
        page = schemas.example(of_page);
    }
    let mut envelope = envelope(&data);
    if let Some(pagination) = pagination {
        envelope["properties"]["pagination"] = pagination;
        envelope["required"] = json!(["success", "data", "pagination", "metadata"]);
    }
    let example = example.map(|data| {
        let members = [
            ("success", Some(json!(true))),
            ("data", Some(data)),
            ("pagination", page),
            ("metadata", Some(metadata())),
        ];
        Value::Object(some(members))
    });
    Value::Object(some([("schema", Some(envelope)), ("example", example)]))
}
