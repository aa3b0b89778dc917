//! What the reference says of a route beside its example, taken from the route table and the OpenAPI document.

use api::http::routes::{Access, Route};
use serde_json::Value;

use crate::openapi::{operations, resolved};

/// Method and path.
pub fn name(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

/// What the route does, in a few words, the same for `PUT` and `PATCH`; nothing of what is no route.
pub fn summary<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    operation(document, name)?["summary"].as_str()
}

fn operation<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    operations(document)
        .into_iter()
        .find(|(known, _)| known == name)
        .map(|(_, operation)| operation)
}

/// The lines below its method and path.
pub fn lines(document: &Value, route: &Route) -> Vec<String> {
    let operation = operation(document, &name(route)).unwrap();
    let id = operation["operationId"].as_str().unwrap();
    let (access, class) = (access(route.access), route.class.as_str());
    let mut lines = vec![format!("- {access}; limit `{class}`; operation `{id}`")];
    let parameters: Vec<_> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| resolved(document, p))
        .collect();
    for (place, what) in [("query", "query"), ("header", "headers")] {
        let there = parameters.iter().filter(|parameter| parameter["in"] == place);
        // Of a filter and its operators, the filter.
        let plain = there.filter_map(|one| one["name"].as_str()).filter(|name| !name.contains('['));
        let quoted: Vec<_> = plain.map(|name| format!("`{name}`")).collect();
        if !quoted.is_empty() {
            lines.push(format!("- {what}: {}", quoted.join(", ")));
        }
    }
    lines.extend(body(document, operation));
    lines
}

fn access(access: Access) -> String {
    match access {
        Access::Public => "no credential".into(),
        Access::User => "a signed-in user".into(),
        Access::Session => "a signed-in user with a session of ours".into(),
        Access::Any => "any credential".into(),
        Access::Scope(scope) => format!("scope `{scope}`"),
    }
}

/// The members of a JSON body that count, those that must be there in bold.
fn body(document: &Value, operation: &Value) -> Option<String> {
    let body = resolved(document, &operation["requestBody"]);
    let schema = resolved(document, &body["content"]["application/json"]["schema"]);
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let taken = schema["properties"].as_object()?.iter();
    let taken = taken.filter(|(_, member)| member["readOnly"] != true).map(|(name, _)| &**name);
    let mut names: Vec<&str> = required.clone();
    names.extend(taken.filter(|name| !required.contains(name)));
    let names: Vec<_> =
        names
            .into_iter()
            .map(|name| {
                if required.contains(&name) { format!("**`{name}`**") } else { format!("`{name}`") }
            })
            .collect();
    (!names.is_empty()).then(|| format!("- body: {}", names.join(", ")))
}
