//! What a body's schema allows is taken and what it does not is refused, to the last character.

use serde_json::{Value, json};
use tests::kit::{Tenant, TestApp};

use super::{document, faults, operations, resolved};

/// Values on both sides of what a member's schema draws a line between.
fn edges(schema: &Value) -> Vec<Value> {
    let mut all = vec![Value::Null, json!({"not": "this"}), json!("no such word"), json!([])];
    if let Some(most) = schema["maxLength"].as_u64().and_then(|most| usize::try_from(most).ok()) {
        all.extend([most, most + 1].map(|length| "1".repeat(length).into()));
    }
    for (edge, beyond) in [("minimum", -1), ("maximum", 1)] {
        let edge = schema[edge].as_i64();
        all.extend(edge.into_iter().flat_map(|edge| [edge.into(), (edge + beyond).into()]));
    }
    all.extend(schema["enum"].as_array().into_iter().flatten().take(2).cloned());
    all
}

/// What the api says of one member of a body, besides that it names nobody's record.
async fn fault(acme: &Tenant, path: &str, body: Value, member: &str) -> Option<String> {
    let answer = acme.post(&format!("{path}?dryRun=true"), body).await;
    assert!([200, 201, 400, 409].contains(&answer.status.as_u16()), "{path}: {:#}", answer.body);
    let details = answer.body["details"].as_object()?;
    let own = |key: &str| {
        let inside = key.strip_prefix(member);
        inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
    };
    let fault = details.iter().find(|(key, _)| own(key)).map(|(_, fault)| fault.to_string());
    fault.filter(|fault| !fault.contains("No such"))
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
        // An upload is told what is wrong with each of its rows.
        let upload = content["schema"]["$ref"].is_null();
        if upload || path.starts_with("/api/v1/auth") || path.starts_with("/api/auth") {
            continue;
        }
        let body = resolved(&document, &content["schema"]);
        for (member, schema) in body["properties"].as_object().unwrap() {
            if schema.get("readOnly").is_some() {
                continue;
            }
            for value in edges(schema) {
                let mut sent = content["example"].clone();
                sent[member] = value.clone();
                let good = faults(&document, body, &sent).is_empty();
                let said = fault(&acme, path, sent, member).await;
                assert_eq!(said.is_none(), good, "{path} {member} = {value}: {said:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 150, "{tried}");
}
