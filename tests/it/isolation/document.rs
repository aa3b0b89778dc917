//! The OpenAPI document and the route table are one thing seen twice.

use std::collections::BTreeSet;

use api::http::routes::Access;
use serde_json::Value;

fn document() -> Value {
    api::http::openapi::document(&api::routes())
}

/// Every operation of the document: method and path, and what it says about itself.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            all.push((format!("{} {path}", method.to_uppercase()), operation));
        }
    }
    all
}

#[test]
fn the_document_has_exactly_the_routes_of_the_table() {
    let document = document();
    let documented: BTreeSet<_> = operations(&document).into_iter().map(|(name, _)| name).collect();
    let routed: BTreeSet<_> =
        api::routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(documented, routed);
    assert_eq!(routed.len(), api::routes().len(), "a route is in the table twice");
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_asks_for() {
    let document = document();
    let (operations, routes) = (operations(&document), api::routes());
    let ids: BTreeSet<_> =
        operations.iter().filter_map(|(_, operation)| operation["operationId"].as_str()).collect();
    assert_eq!(ids.len(), operations.len(), "operationIds: {ids:?}");
    for (name, operation) in operations {
        let route = routes.iter().find(|route| format!("{} {}", route.method, route.path) == name);
        let credentials = match route.unwrap().access {
            Access::Public => 0,
            Access::User => 1,
            Access::Any | Access::Scope(_) => 2,
        };
        assert_eq!(operation["security"].as_array().map(Vec::len), Some(credentials), "{name}");
        let in_path =
            operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "path");
        assert_eq!(in_path.count(), name.matches('{').count(), "{name}");
    }
}

#[test]
fn every_schema_that_the_document_refers_to_is_in_it() {
    let document = document();
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let referred =
        text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
    let missing: BTreeSet<_> = referred.filter(|name| !schemas.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
