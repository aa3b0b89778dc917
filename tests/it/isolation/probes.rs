//! One probe for every route: what a stranger is made to call. A route without one fails the test, with this text:

use std::pin::Pin;

use serde_json::{Value, json};
use tests::kit::Tenant;

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
    /// Makes the body by the steps that come before, as this caller: for bodies that hold secrets.
    pub steps: Option<Steps>,
    /// A query that finds the records of whoever is named.
    pub query: Option<fn(canary: &str) -> String>,
    /// A query that it always has: one without which nothing would be shown.
    pub always: Option<&'static str>,
}

/// Steps that end in a body.
type Steps = fn(Tenant) -> Pin<Box<dyn Future<Output = Value> + Send>>;

impl Probe {
    const fn new(route: &'static str) -> Self {
        Self { route, ids: &[], body: None, steps: None, query: None, always: None }
    }

    const fn steps(self, steps: Steps) -> Self {
        Self { steps: Some(steps), ..self }
    }

    /// The body, if the route reads one.
    pub async fn make_body(&self, caller: &Tenant) -> Option<Value> {
        match self.steps {
            Some(steps) => Some(steps(caller.clone()).await),
            None => self.body.map(|body| body()),
        }
    }

    const fn ids(self, ids: &'static [&'static str]) -> Self {
        Self { ids, ..self }
    }

    const fn body(self, body: fn() -> Value) -> Self {
        Self { body: Some(body), ..self }
    }

    const fn always(self, query: &'static str) -> Self {
        Self { always: Some(query), ..self }
    }

    const fn query(self, query: fn(&str) -> String) -> Self {
        Self { query: Some(query), ..self }
    }
}

/// Every route of the api.
pub const PROBES: &[Probe] = &[
    Probe::new("POST /api/v1/auth/qr-session/scan").steps(|caller| Box::pin(to_scan(caller))),
    Probe::new("POST /api/v1/auth/qr-session/link").steps(|caller| Box::pin(to_link(caller))),
    Probe::new("POST /api/v1/auth/logout"),
    Probe::new("POST /api/v1/auth/logout-all"),
    Probe::new("GET /api/v1/auth/sessions"),
    Probe::new("DELETE /api/v1/auth/sessions/{id}").ids(&["sessions"]),
    Probe::new("GET /api/v1/connection/contacts").query(|canary| format!("q={canary}")),
    Probe::new("GET /api/v1/connection/contacts/deleted"),
    Probe::new("POST /api/v1/connection/contacts").body(contact),
    Probe::new("GET /api/v1/connection/contacts/{id}").ids(&["contacts"]),
    Probe::new("PUT /api/v1/connection/contacts/{id}").ids(&["contacts"]).body(contact),
    Probe::new("PATCH /api/v1/connection/contacts/{id}").ids(&["contacts"]).body(contact),
    Probe::new("DELETE /api/v1/connection/contacts/{id}").ids(&["contacts"]),
    Probe::new("POST /api/v1/connection/contacts/{id}/restore").ids(&["contacts"]),
    Probe::new("POST /api/v1/connection/contacts/{id}/erase").ids(&["contacts"]),
    Probe::new("GET /api/v1/erasures"),
    Probe::new("GET /api/v1/erasures/{id}").ids(&["erasures"]),
    Probe::new("POST /api/v1/connection/contacts/import").body(|| json!({"contacts": [contact()]})),
    Probe::new("GET /api/v1/connection/contacts/imports"),
    Probe::new("GET /api/v1/connection/contacts/imports/{id}").ids(&["imports"]),
    Probe::new("GET /api/v1/connection/contacts/imports/{id}/errors.csv").ids(&["imports"]),
    Probe::new("POST /api/v1/connection/contacts/imports/{id}/undo").ids(&["imports"]),
    Probe::new("GET /api/v1/connection/pipelines"),
    Probe::new("POST /api/v1/connection/pipelines").body(pipeline),
    Probe::new("GET /api/v1/connection/pipelines/{id}").ids(&["pipelines"]),
    Probe::new("PUT /api/v1/connection/pipelines/{id}").ids(&["pipelines"]).body(pipeline),
    Probe::new("PATCH /api/v1/connection/pipelines/{id}").ids(&["pipelines"]).body(pipeline),
    Probe::new("DELETE /api/v1/connection/pipelines/{id}").ids(&["pipelines"]),
    Probe::new("GET /api/v1/connection/leads").query(|canary| format!("q={canary}")),
    Probe::new("GET /api/v1/connection/leads/deleted"),
    Probe::new("POST /api/v1/connection/leads").body(lead),
    Probe::new("GET /api/v1/connection/leads/{id}").ids(&["leads"]),
    Probe::new("PUT /api/v1/connection/leads/{id}").ids(&["leads"]).body(lead),
    Probe::new("PATCH /api/v1/connection/leads/{id}").ids(&["leads"]).body(lead),
    Probe::new("DELETE /api/v1/connection/leads/{id}").ids(&["leads"]),
    Probe::new("POST /api/v1/connection/leads/{id}/restore").ids(&["leads"]),
    Probe::new("POST /api/v1/connection/leads/{id}/move")
        .ids(&["leads"])
        .steps(|caller| Box::pin(async move { json!({"stageId": caller.any("stages").await}) })),
    Probe::new("POST /api/v1/connection/leads/{id}/convert").ids(&["leads"]).body(|| json!({})),
    Probe::new("GET /api/v1/connection/leads/{id}/history").ids(&["leads"]),
    Probe::new("GET /api/v1/connection/leads/{id}/timeline").ids(&["leads"]),
    Probe::new("GET /api/v1/connection/contacts/{id}/timeline").ids(&["contacts"]),
    Probe::new("GET /api/v1/connection/companies/{id}/timeline").ids(&["companies"]),
    Probe::new("GET /api/v1/connection/activities"),
    Probe::new("POST /api/v1/connection/activities").steps(|caller| Box::pin(activity(caller))),
    Probe::new("GET /api/v1/connection/activities/{id}").ids(&["activities"]),
    Probe::new("GET /api/v1/connection/companies").query(|canary| format!("q={canary}")),
    Probe::new("GET /api/v1/connection/companies/deleted"),
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
    Probe::new("GET /api/v1/events/{id}/webhooks").ids(&["events"]),
    Probe::new("GET /api/v1/webhooks"),
    Probe::new("POST /api/v1/webhooks").body(webhook),
    Probe::new("GET /api/v1/webhooks/{id}").ids(&["webhooks"]),
    Probe::new("PUT /api/v1/webhooks/{id}").ids(&["webhooks"]).body(webhook),
    Probe::new("PATCH /api/v1/webhooks/{id}").ids(&["webhooks"]).body(webhook),
    Probe::new("DELETE /api/v1/webhooks/{id}").ids(&["webhooks"]),
    Probe::new("GET /api/v1/webhooks/{id}/secret").ids(&["webhooks"]),
    Probe::new("POST /api/v1/webhooks/{id}/secret/rotate").ids(&["webhooks"]),
    Probe::new("POST /api/v1/webhooks/{id}/signature/verify")
        .ids(&["webhooks"])
        .body(|| json!({"headers": {}, "body": ""})),
    Probe::new("GET /api/v1/webhooks/{id}/health").ids(&["webhooks"]),
    Probe::new("POST /api/v1/webhooks/{id}/test").ids(&["webhooks"]),
    Probe::new("GET /api/v1/webhooks/{id}/events").ids(&["webhooks"]),
    Probe::new("GET /api/v1/webhooks/{id}/events/{eventId}").ids(&["webhooks", "webhook_events"]),
    Probe::new("GET /api/v1/webhooks/{id}/events/{eventId}/attempts/{attemptId}").ids(&[
        "webhooks",
        "webhook_events",
        "webhook_attempts",
    ]),
    Probe::new("POST /api/v1/webhooks/{id}/events/{eventId}/resend")
        .ids(&["webhooks", "webhook_events"]),
    Probe::new("GET /api/v1/webhooks/{id}/replays").ids(&["webhooks"]),
    Probe::new("POST /api/v1/webhooks/{id}/replays").ids(&["webhooks"]).body(|| json!({"rate": 5})),
    Probe::new("GET /api/v1/webhooks/{id}/replays/{replayId}").ids(REPLAY),
    Probe::new("POST /api/v1/webhooks/{id}/replays/{replayId}/pause").ids(REPLAY),
    Probe::new("POST /api/v1/webhooks/{id}/replays/{replayId}/resume").ids(REPLAY),
    Probe::new("POST /api/v1/webhooks/{id}/replays/{replayId}/cancel").ids(REPLAY),
    Probe::new("GET /api/v1/events"),
    Probe::new("GET /api/v1/events/stream").always("after=0"),
    Probe::new("GET /api/v1/events/{id}").ids(&["events"]),
];

/// The tables that a replay's path leads through.
const REPLAY: &[&str] = &["webhooks", "webhook_replays"];

fn contact() -> Value {
    json!({"name": "Stranger", "email": "stranger@example.com", "company": "Strangers"})
}

fn pipeline() -> Value {
    json!({"name": "Strange ways", "stages": [{"name": "Strange", "displayOrder": 0}]})
}

fn lead() -> Value {
    json!({"title": "Strange deal", "status": "qualified", "value": 12.5, "currency": "EUR"})
}

async fn activity(caller: Tenant) -> Value {
    json!({"type": "note", "subject": "Strange news", "leadId": caller.any("leads").await})
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

async fn to_scan(caller: Tenant) -> Value {
    let session = caller.post("/api/v1/auth/qr-session/generate", json!({})).await.created();
    let (_, token) = session["qrPayload"].as_str().unwrap().split_once('#').unwrap();
    json!({"qrToken": token})
}

async fn to_link(caller: Tenant) -> Value {
    let body = to_scan(caller.clone()).await;
    let scanned = caller.post("/api/v1/auth/qr-session/scan", body).await.ok();
    json!({"linkToken": scanned["linkToken"], "decision": "deny"})
}
