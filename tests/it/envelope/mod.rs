//! The one form of every answer: requirements F-1 to F-12.

mod bodies;
mod browsers;
mod failures;
mod held_back;
mod metadata;
mod routing;

use serde_json::json;
use tests::kit::Answer;

/// Expects an error in the whole envelope, with nothing in it that is not documented.
#[track_caller]
fn problem(answer: Answer, status: u16, code: &str, error: &str) {
    let id = answer.header("x-request-id").to_owned();
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.problem(status, code);
    let metadata = json!({"timestamp": tests::kit::START, "requestId": id});
    assert_eq!(body, json!({"success": false, "error": error, "code": code, "metadata": metadata}));
}
