//! One probe for every route: what a stranger is made to call. A route without one fails the test, with this text:

use serde_json::{Value, json};

/// What to do about a route without a probe.
pub const INSTRUCTIONS: &str = "\
add it to PROBES in tests/it/isolation/probes.rs: its method and path as in the route table, the table that each id \
of its path belongs to, a body that is valid for it, and for a list a query that would find another tenant's rows";

/// How to call a route.
pub struct Probe {
    /// Method and path, as in the route table.
    pub route: &'static str,
    /// The tables that the ids of the path belong to, outermost first.
    pub ids: &'static [&'static str],
    /// A valid body, or none.
    pub body: Option<fn() -> Value>,
    /// A query that finds the records of whoever is named.
    pub query: Option<fn(canary: &str) -> String>,
}

impl Probe {
    const fn new(route: &'static str) -> Self {
        Self { route, ids: &[], body: None, query: None }
    }

    const fn ids(self, ids: &'static [&'static str]) -> Self {
        Self { ids, ..self }
    }

    const fn body(self, body: fn() -> Value) -> Self {
        Self { body: Some(body), ..self }
    }

    const fn query(self, query: fn(&str) -> String) -> Self {
        Self { query: Some(query), ..self }
    }
}

/// Every route of the api.
pub const PROBES: &[Probe] = &[
    Probe::new("GET /api/v1/connection/contacts").query(|canary| format!("q={canary}")),
    Probe::new("POST /api/v1/connection/contacts").body(contact),
    Probe::new("GET /api/v1/connection/contacts/{id}").ids(&["contacts"]),
    Probe::new("PUT /api/v1/connection/contacts/{id}").ids(&["contacts"]).body(contact),
    Probe::new("PATCH /api/v1/connection/contacts/{id}").ids(&["contacts"]).body(contact),
    Probe::new("DELETE /api/v1/connection/contacts/{id}").ids(&["contacts"]),
    Probe::new("POST /api/v1/connection/contacts/{id}/restore").ids(&["contacts"]),
    Probe::new("POST /api/v1/connection/contacts/import").body(|| json!({"contacts": [contact()]})),
    Probe::new("GET /api/v1/connection/contacts/imports"),
    Probe::new("GET /api/v1/connection/contacts/imports/{id}").ids(&["imports"]),
    Probe::new("GET /api/v1/connection/contacts/imports/{id}/errors.csv").ids(&["imports"]),
    Probe::new("POST /api/v1/connection/contacts/imports/{id}/undo").ids(&["imports"]),
    Probe::new("GET /api/v1/connection/companies").query(|canary| format!("q={canary}")),
    Probe::new("POST /api/v1/connection/companies").body(company),
    Probe::new("GET /api/v1/connection/companies/{id}").ids(&["companies"]),
    Probe::new("PUT /api/v1/connection/companies/{id}").ids(&["companies"]).body(company),
    Probe::new("PATCH /api/v1/connection/companies/{id}").ids(&["companies"]).body(company),
    Probe::new("DELETE /api/v1/connection/companies/{id}").ids(&["companies"]),
    Probe::new("POST /api/v1/connection/companies/{id}/restore").ids(&["companies"]),
    Probe::new("GET /api/v1/users"),
    Probe::new("GET /api/v1/users/{id}").ids(&["users"]),
    Probe::new("GET /api/v1/me"),
    Probe::new("GET /api/v1/tenant/settings"),
    Probe::new("PUT /api/v1/tenant/settings").body(settings),
    Probe::new("PATCH /api/v1/tenant/settings").body(settings),
    Probe::new("GET /api/v1/audit-log"),
    Probe::new("GET /api/v1/audit-log/{id}").ids(&["audit_log"]),
    Probe::new("GET /api/v1/meta/enums"),
    Probe::new("GET /api/v1/api-keys"),
    Probe::new("POST /api/v1/api-keys").body(api_key),
    Probe::new("GET /api/v1/api-keys/{id}").ids(&["api_keys"]),
    Probe::new("PUT /api/v1/api-keys/{id}").ids(&["api_keys"]).body(api_key),
    Probe::new("PATCH /api/v1/api-keys/{id}").ids(&["api_keys"]).body(api_key),
    Probe::new("DELETE /api/v1/api-keys/{id}").ids(&["api_keys"]),
    Probe::new("POST /api/v1/api-keys/{id}/rotate").ids(&["api_keys"]),
    Probe::new("GET /api/v1/webhooks"),
    Probe::new("POST /api/v1/webhooks").body(webhook),
    Probe::new("GET /api/v1/webhooks/{id}").ids(&["webhooks"]),
    Probe::new("PUT /api/v1/webhooks/{id}").ids(&["webhooks"]).body(webhook),
    Probe::new("PATCH /api/v1/webhooks/{id}").ids(&["webhooks"]).body(webhook),
    Probe::new("DELETE /api/v1/webhooks/{id}").ids(&["webhooks"]),
    Probe::new("GET /api/v1/webhooks/{id}/events").ids(&["webhooks"]),
    Probe::new("POST /api/v1/webhooks/{id}/events/{eventId}/resend")
        .ids(&["webhooks", "webhook_events"]),
];

fn contact() -> Value {
    json!({"name": "Stranger", "email": "stranger@example.com", "company": "Strangers"})
}

fn company() -> Value {
    json!({"name": "Strangers", "website": "https://strangers.example", "employees": 7})
}

/// The name is new each time, so that each is a change.
fn settings() -> Value {
    json!({"name": format!("Stranger {:032x}", rand::random::<u128>())})
}

/// It hands out no more than the one right that the route asks for.
fn api_key() -> Value {
    json!({"name": "Stranger", "scopes": ["api_keys:write"]})
}

fn webhook() -> Value {
    json!({"url": "https://example.com/stranger", "events": ["contact.created"]})
}
