//! API keys as a resource: requirements K-1 to K-10.

mod addresses;
mod change;
mod create;
mod escalation;
mod last_used;
mod revoke;
mod rotate;

use serde_json::{Value, json};
use tests::kit::{API_KEYS, Answer, CONTACTS, Credential, Tenant};

/// Another caller of the tenant: a fresh key that may read contacts, with these fields besides.
async fn reader(tenant: &Tenant, fields: Value) -> (Value, Tenant) {
    let mut body = json!({"name": "Reader", "scopes": ["contacts:read"]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    made(tenant, tenant.post(API_KEYS, body).await.created())
}

/// What a creation or rotation showed, and a caller with it.
fn made(tenant: &Tenant, shown: Value) -> (Value, Tenant) {
    let key = shown["key"].as_str().unwrap().to_owned();
    (shown, tenant.with(Credential::ApiKey(key)))
}

/// The path of a key.
fn at(key: &Value) -> String {
    format!("{API_KEYS}/{}", key["id"].as_str().unwrap())
}

/// What GET shows of a key that was just shown whole.
fn record(shown: &Value) -> Value {
    let mut record = shown.clone();
    record.as_object_mut().unwrap().remove("key").expect("the key itself");
    record
}

/// Expects a caller to be let in.
#[track_caller]
fn let_in(answer: Answer) {
    answer.page();
}

/// Expects a caller to be refused as unknown.
#[track_caller]
fn unknown(answer: Answer) {
    assert_eq!(answer.problem(401, "UNAUTHORIZED")["error"], "The API key is not valid");
}

/// Expects a caller to be refused because its time has passed.
#[track_caller]
fn expired(answer: Answer) {
    assert_eq!(answer.problem(401, "UNAUTHORIZED")["error"], "The API key has expired");
}

/// A request that every key of these tests may make.
async fn knock(caller: &Tenant) -> Answer {
    caller.get(CONTACTS).await
}
