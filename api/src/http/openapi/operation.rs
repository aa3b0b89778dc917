//! One route of the table as an operation.

use serde_json::{Map, Value, json};

use super::parameters;
use super::responses;
use super::schemas::Schemas;
use crate::http::doc::Streamed;
use crate::http::routes::{Access, Route};

/// What the document says of a route.
pub(super) fn of(route: &Route, schemas: &mut Schemas) -> Value {
    let doc = &route.doc;
    let mut operation = json!({
        "operationId": doc.id,
        "summary": doc.summary,
        "description": needs(route.access),
        "tags": [route.tag],
        "security": security(route.access),
        "parameters": parameters::of(route),
        "responses": responses::of(route, schemas),
    });
    if let Some(body) = doc.body {
        let content = json!({"schema": schemas.sent(body)});
        let mut request = json!({"content": {"application/json": content}});
        request["required"] = json!(!doc.body_optional);
        if let Some(example) = schemas.example(body.words) {
            request["content"]["application/json"]["example"] = example;
        }
        operation["requestBody"] = request;
    }
    if !doc.streams.is_empty() {
        operation["requestBody"] = json!({"required": true, "content": streamed(doc.streams)});
    }
    if route.deprecation.is_some() {
        operation["deprecated"] = json!(true);
    }
    operation
}

fn streamed(forms: &[Streamed]) -> Map<String, Value> {
    let form = |form: &Streamed| {
        let (schema, example) = (form.shown)();
        (form.media_type.to_owned(), json!({"schema": schema, "example": example}))
    };
    forms.iter().map(form).collect()
}

fn needs(access: Access) -> String {
    match access {
        Access::Public => "Needs no credential.".to_owned(),
        Access::User => "Needs a signed-in user; API keys are refused.".to_owned(),
        Access::Session => {
            "Needs a signed-in user with a session; an outside issuer's token has none.".to_owned()
        }
        Access::Any => "Needs any valid credential.".to_owned(),
        Access::Scope(scope) => format!("Needs the scope `{scope}`."),
    }
}

fn security(access: Access) -> Value {
    match access {
        Access::Public => json!([]),
        Access::User | Access::Session => json!([{"bearer": []}]),
        Access::Any | Access::Scope(_) => json!([{"apiKey": []}, {"bearer": []}]),
    }
}

/// Whether it does something for a known caller, and so can be done once only.
pub(super) fn once(route: &Route) -> bool {
    !route.method.is_safe() && route.access != Access::Public
}

/// An object of what is there.
pub(super) fn some<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
