//! The OpenAPI 3.1 document, made of the same table that the router is made of: a route cannot be called without
//! being in it, nor be in it without answering.

mod answers;
mod operation;
mod outgoing;
mod parameters;
mod responses;
mod schemas;

use serde_json::{Map, Value, json};
use shared::event::EventType;

use super::routes::Route;
use schemas::Schemas;

const WHAT: &str = "A multi-tenant CRM whose every change can be heard by signed webhooks.

Every answer has the same envelope: `success`, `data` or `error` with a stable `code`, and `metadata` with the request id. \
Changes by `PUT` and `PATCH` merge: absent members stay, `null` clears. White space around texts is dropped before they are \
measured. Send `Idempotency-Key` with every write. `HEAD` works wherever `GET` does.";

/// The document of these routes.
#[must_use]
pub fn document(routes: &[Route]) -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for route in routes {
        let fresh = || json!({"parameters": parameters::of_path()});
        let item = paths.entry(route.path.clone()).or_insert_with(fresh);
        item[route.method.as_str().to_lowercase()] = operation::of(route, &mut schemas);
    }
    let webhooks = outgoing::all(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Liaison",
            "version": env!("CARGO_PKG_VERSION"),
            "description": WHAT,
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/", "description": "Where this document came from"}],
        "tags": tags(routes),
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas.into_map(),
            "parameters": parameters::shared(),
            "headers": answers::headers(routes.iter().any(|route| route.deprecation.is_some())),
            "responses": answers::problems(),
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key",
                    "description": "A tenant's key, `crm_live_…`; also as a bearer token"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "A user's access token"},
            },
        },
    })
}

/// The document of the whole api as it is printed and served.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", document(&crate::routes()))
}

/// The `data` of an event as the document shows it.
#[must_use]
pub fn sample(event: EventType) -> Value {
    outgoing::sample(event)
}

/// What a group is about.
fn about(tag: &str) -> &'static str {
    match tag {
        "Signing in" => "How users get access tokens, renew them and end their sessions.",
        "Users" => "The tenant's users, and the caller itself.",
        "Contacts" => "People and organisations that the tenant knows.",
        "Companies" => "Companies, which contacts and leads may refer to.",
        "Leads" => "Deals that may come, and the stages they go through.",
        "Pipelines" => "The stages that leads go through.",
        "Activities" => {
            "Notes, calls, e-mails, meetings and tasks, and the timelines made of them."
        }
        "Settings" => "What holds for the whole tenant.",
        "API keys" => "Credentials of the tenant's programs.",
        "Webhooks" => "Who hears of changes, and what became of each delivery.",
        "Events" => "Everything that happened, in order.",
        "Audit log" => "Who changed what.",
        "Erasures" => "How far the erasure of a record's history is.",
        "Meta" => "The words that fields may hold, and the limits.",
        _ => "",
    }
}

/// The groups in the order in which the routes name them.
fn tags(routes: &[Route]) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for route in routes {
        if !names.contains(&route.tag) {
            names.push(route.tag);
        }
    }
    let tag = |name| json!({"name": name, "description": about(name)});
    names.into_iter().map(tag).collect()
}
