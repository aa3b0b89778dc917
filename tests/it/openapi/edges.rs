//! What a body's schema allows is taken and what it does not is refused, to the last character.

use serde_json::{Value, json};
use tests::kit::{Tenant, TestApp};

use super::{document, faults, operations, resolved};

/// A value with this many characters or items, or this number; none where the schema says no such thing.
fn edges(schema: &Value) -> Vec<(Value, bool)> {
    let length = |name: &str| schema[name].as_u64().and_then(|most| usize::try_from(most).ok());
    let texts = length("maxLength").filter(|_| schema["format"].is_null());
    let texts = texts.filter(|most| fits(schema, &"1".repeat(*most)));
    let numbers = ["minimum", "maximum"].map(|name| Some((schema[name].as_i64()?, name)));
    let mut all: Vec<(Value, bool)> = Vec::new();
    for most in texts {
        all.extend([("1".repeat(most).into(), true), ("1".repeat(most + 1).into(), false)]);
    }
    for (edge, name) in numbers.into_iter().flatten() {
        let beyond = if name == "minimum" { edge - 1 } else { edge + 1 };
        all.extend([(edge.into(), true), (beyond.into(), false)]);
    }
    let null = schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
    all.extend([(Value::Null, null), (json!({"not": "this"}), false)]);
    if let Some(words) = schema["enum"].as_array() {
        all.extend(words.iter().take(2).map(|word| (word.clone(), true)));
        all.push(("no such word".into(), false));
    }
    all
}

fn fits(schema: &Value, text: &str) -> bool {
    faults(&json!({"components": {}}), schema, &text.into()).is_empty()
}

/// What the api says of one member of a body; none when it says nothing.
async fn fault(
    acme: &Tenant,
    path: &str,
    mut body: Value,
    member: &str,
    value: Value,
) -> Option<String> {
    body[member] = value;
    let answer = acme.post(&format!("{path}?dryRun=true"), body).await;
    assert!([200, 201, 400, 409].contains(&answer.status.as_u16()), "{path}: {:#}", answer.body);
    let details = answer.body["details"].as_object()?;
    let own = |key: &str| key == member || key.starts_with(&format!("{member}["));
    details.iter().find(|(key, _)| own(key)).map(|(_, fault)| fault.to_string())
}

#[tokio::test]
async fn every_member_of_a_new_record_is_taken_to_its_edge_and_refused_beyond() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let document = document();
    let mut tried = 0;
    for (name, operation) in operations(&document) {
        let content = &operation["requestBody"]["content"]["application/json"];
        let Some(path) = name.strip_prefix("POST ").filter(|path| !path.contains('{')) else {
            continue;
        };
        if content.is_null() || path.starts_with("/api/v1/auth") || path.starts_with("/api/auth") {
            continue;
        }
        let body = resolved(&document, &content["schema"]);
        for (member, schema) in body["properties"].as_object().unwrap() {
            if schema.get("readOnly").is_some() {
                continue;
            }
            for (value, good) in edges(schema) {
                let example = content["example"].clone();
                let said = fault(&acme, path, example, member, value.clone()).await;
                // A reference to nobody's record and what depends on other members is another matter.
                let elsewhere = said.as_deref().is_some_and(|said| said.contains("No such"));
                let value = value.to_string();
                assert_eq!(
                    said.is_none() || elsewhere,
                    good,
                    "{path} {member} = {value}: {said:?}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 150, "{tried}");
}
