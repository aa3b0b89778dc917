//! A default is what absence means: whoever sends it, as the pages at `/docs` do, is answered as without it.

use serde_json::{Value, json};
use tests::kit::{CONTACTS, TestApp};

use super::{document, operations, resolved};

/// The query of an operation's defaults.
fn defaults(document: &Value, of: &str) -> Vec<(String, String)> {
    let operations = operations(document);
    let (_, operation) = operations.iter().find(|(name, _)| name == of).unwrap();
    let parameters = operation["parameters"].as_array().unwrap().iter();
    let parameters = parameters.map(|parameter| resolved(document, parameter));
    let of_query = parameters.filter(|parameter| parameter["in"] == "query");
    let with_default = of_query.filter(|parameter| !parameter["schema"]["default"].is_null());
    let written = with_default.map(|parameter| {
        let default = &parameter["schema"]["default"];
        let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        (parameter["name"].as_str().unwrap().to_owned(), text)
    });
    written.collect()
}

fn query(defaults: &[(String, String)]) -> String {
    let written = defaults.iter().map(|(name, text)| format!("&{name}={text}"));
    written.collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn the_defaults_of_a_list_change_nothing_beside_a_cursor_either() {
    let (document, app) = (document(), TestApp::start().await);
    let acme = app.tenant("acme").await;
    for name in ["Ada", "Bob", "Cy"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
    }
    let defaults = defaults(&document, &format!("GET {CONTACTS}"));
    assert!(defaults.iter().any(|(name, _)| name == "pageSize"), "{defaults:?}");
    let first = acme.get(&format!("{CONTACTS}?{}", &query(&defaults)[1..])).await.page();
    assert_eq!(first.items, acme.get(CONTACTS).await.page().items);
    let small = acme.get(&format!("{CONTACTS}?pageSize=1&sort=name")).await.page();
    let cursor = small.pagination["nextCursor"].as_str().unwrap();
    let next = acme.get(&format!("{CONTACTS}?cursor={cursor}{}", query(&defaults))).await.page();
    assert_eq!(next.items.len(), 2);
}

#[tokio::test]
async fn the_defaults_of_an_import_leave_it_as_it_is_with_none() {
    let (document, app) = (document(), TestApp::start().await);
    let acme = app.tenant("acme").await;
    let rows = json!({"contacts": [{"name": "Ada"}, {"name": ""}]});
    let import = format!("{CONTACTS}/import");
    let plain = acme.post(&import, rows.clone()).await.ok();
    let query = query(&defaults(&document, &format!("POST {import}")));
    let asked = acme.post(&format!("{import}?{}", &query[1..]), rows).await.ok();
    for member in ["status", "mode", "matchBy", "atomic", "events", "created", "failed"] {
        assert_eq!(plain[member], asked[member], "{member}");
    }
    assert_eq!((&plain["created"], &plain["failed"]), (&json!(1), &json!(1)));
}
