//! Who may call: API keys, access tokens, scopes and roles.

mod keys;
mod rights;
mod secrets;
mod tokens;

use reqwest::Method;
use tests::kit::{Answer, CONTACTS, TestApp};

/// Asks for the contacts with these headers.
async fn ask(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    let request = app.request(Method::GET, CONTACTS);
    Answer::to(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
        .await
}

/// Expects 401 for this reason, with the challenge that RFC 9110 asks for.
#[track_caller]
fn unauthorized(answer: Answer, reason: &str) {
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"liaison\"");
    let body = answer.problem(401, "UNAUTHORIZED");
    assert_eq!(body["error"], reason);
    assert_eq!(body.get("details"), None);
}
