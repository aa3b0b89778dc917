//! The OpenAPI document and the route table are one thing seen twice.

use std::collections::BTreeSet;

use api::http::routes::Access;
use http::Method;
use tests::kit::{Answer, TestApp};

use super::{document, operations};

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
            Access::User | Access::Session => 1,
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

/// A path with an id that is nobody's in each place.
fn called(path: &str) -> String {
    let id = "019b7ca9-8f2e-7eb0-9eef-b4330b6b2329";
    path.split('/')
        .map(|part| if part.starts_with('{') { id } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn every_operation_of_the_document_is_answered_by_a_route() {
    let app = TestApp::configured(|config| config.demo_login = true).await;
    for (name, operation) in operations(&document()) {
        let (method, path) = name.split_once(' ').unwrap();
        let answer = Answer::to(app.request(method.parse().unwrap(), &called(path))).await;
        let status = answer.status.as_u16().to_string();
        assert_ne!(status, "405", "{name}");
        assert_ne!(answer.body["error"], "No such route", "{name}");
        assert!(operation["responses"].get(&status).is_some(), "{name} answers {status}");
    }
}

#[tokio::test]
async fn a_path_of_the_document_knows_the_documented_methods_and_no_other() {
    let app = TestApp::start().await;
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let documented = item.get(method.as_str().to_lowercase()).is_some();
            let answer = Answer::to(app.request(method.clone(), &called(path))).await;
            assert_eq!(answer.status.as_u16() != 405, documented, "{method} {path}");
            if !documented {
                let allowed = answer.header("allow").split(',').filter(|one| *one != "HEAD");
                let known = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
                let known: BTreeSet<_> = known.map(|method| method.to_uppercase()).collect();
                assert_eq!(allowed.map(str::to_owned).collect::<BTreeSet<_>>(), known, "{path}");
            }
        }
    }
}
