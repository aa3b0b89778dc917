//! Every operation and every event shows an example, and what it shows is true.

use serde_json::Value;

use super::{document, faults, operations, resolved};

/// The media types of a request or an answer, each with its schema and example.
fn contents(holder: &Value) -> impl Iterator<Item = (&String, &Value)> {
    holder["content"].as_object().into_iter().flatten()
}

#[track_caller]
fn assert_shown(document: &Value, what: &str, holder: &Value) {
    for (kind, content) in contents(holder) {
        assert!(!content["example"].is_null(), "{what} has no example in {kind}");
        let faults = faults(document, &content["schema"], &content["example"]);
        assert!(faults.is_empty(), "{what} in {kind}: {faults:#?}");
    }
}

#[test]
fn every_request_and_every_answer_has_an_example_that_fits_its_schema() {
    let document = document();
    let mut shown = 0;
    for (name, operation) in operations(&document) {
        assert_shown(&document, &name, &operation["requestBody"]);
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let answer = resolved(&document, answer);
            assert_shown(&document, &format!("{name} {status}"), answer);
            shown += contents(answer).count();
        }
    }
    assert!(shown > 1_000, "{shown}");
}

#[test]
fn every_event_has_an_example_that_fits_its_schema() {
    let document = document();
    let events = document["webhooks"].as_object().unwrap();
    assert_eq!(events.len(), shared::event::EventType::ALL.len());
    for (name, event) in events {
        assert_shown(&document, name, &event["post"]["requestBody"]);
    }
}

#[test]
fn every_member_of_every_body_and_record_is_described() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            let choices = schema["oneOf"].as_array().into_iter().flatten();
            let described = choices.chain([schema]).any(|one| one.get("description").is_some());
            let errors = ["Error", "Problem", "Metadata"].contains(&name.as_str());
            assert!(described || errors, "{name}.{member}");
        }
    }
}
