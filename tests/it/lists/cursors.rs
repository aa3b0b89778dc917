//! `cursor`: a list without pages, from wherever its reader stands.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Page, Tenant, TestApp, WEBHOOKS};

use super::{fill, list, refused, three};

const STRANGER: &str = "Is not a cursor of this list";
const OTHER_FILTERS: &str = "Belongs to other filters; give the same with each page";

fn cursor(page: &Page) -> String {
    page.pagination["nextCursor"].as_str().expect("there is more").to_owned()
}

/// Everything from a first page to the end, by cursors.
async fn walk(tenant: &Tenant, query: &[(&str, &str)]) -> Vec<Value> {
    let mut page = list(tenant, query).await.page();
    let mut all = std::mem::take(&mut page.items);
    while page.pagination["hasMore"] == true {
        let next = cursor(&page);
        page = list(tenant, &[query, &[("cursor", &*next)]].concat()).await.page();
        assert!(!page.items.is_empty(), "more was promised");
        all.append(&mut page.items);
    }
    assert_eq!(page.pagination["nextCursor"], Value::Null);
    all
}

fn ids(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_first_page_leads_by_cursors_to_the_end_of_the_list() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let first = list(&acme, &[("pageSize", "2")]).await.page();
    assert_eq!(first.names(), ["Cy", "ada"]);
    let last = list(&acme, &[("pageSize", "2"), ("cursor", &cursor(&first))]).await.page();
    assert_eq!(last.names(), ["Bob"]);
    assert_eq!(
        last.pagination,
        json!({"total": null, "page": null, "pageSize": 2, "pages": null, "totalIsEstimate": false,
               "hasMore": false, "nextCursor": null})
    );
}

#[tokio::test]
async fn every_sort_is_walked_both_ways_without_gap_or_overlap_even_where_values_are_equal() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    fill(&app, &acme, 40).await;
    app.database.execute("update contacts set name = 'Same' where name like '%7'").await;
    for sort in ["createdAt", "-createdAt", "updatedAt", "-updatedAt", "name", "-name"] {
        let whole = list(&acme, &[("sort", sort), ("pageSize", "100")]).await.page();
        assert_eq!(whole.items.len(), 43);
        let walked = walk(&acme, &[("sort", sort), ("pageSize", "4")]).await;
        assert_eq!(walked, whole.items, "{sort}");
    }
}

#[tokio::test]
async fn a_cursor_keeps_its_place_whatever_is_added_and_removed_around_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    fill(&app, &acme, 6).await;
    app.database
        .execute("update contacts set name = 'Contact ' || substr(name, 9)::int * 10")
        .await;
    let first = list(&acme, &[("sort", "name"), ("pageSize", "3")]).await.page();
    assert_eq!(first.names(), ["Contact 10", "Contact 20", "Contact 30"]);
    for name in ["Contact 05", "Contact 25", "Contact 45"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
    }
    // The record that the cursor stands on, and the one behind it.
    for gone in ["Contact 30", "Contact 40"] {
        app.database
            .execute(&format!("update contacts set deleted_at = now() where name = '{gone}'"))
            .await;
    }
    let next = list(&acme, &[("pageSize", "3"), ("cursor", &cursor(&first))]).await.page();
    assert_eq!(next.names(), ["Contact 45", "Contact 50", "Contact 60"]);
}

#[tokio::test]
async fn a_cursor_brings_its_sort_along_and_goes_with_no_other() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let first = list(&acme, &[("sort", "-name"), ("pageSize", "1")]).await.page();
    assert_eq!(first.names(), ["Cy"]);
    let cursor = cursor(&first);
    for same in [&[("cursor", &*cursor)][..], &[("cursor", &cursor), ("sort", "-name")]] {
        assert_eq!(list(&acme, same).await.page().names(), ["Bob", "ada"]);
    }
    for other in ["name", "-createdAt"] {
        let fault = json!({"cursor": "Belongs to the sort -name"});
        refused(&acme, &[("cursor", &cursor), ("sort", other)], fault).await;
    }
}

#[tokio::test]
async fn a_cursor_wants_the_filters_that_it_came_from() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let filters = [("q", "example"), ("createdAt[gte]", "2026-01-01T00:00:00Z")];
    let first = list(&acme, &[&filters[..], &[("pageSize", "1")]].concat()).await.page();
    assert_eq!(first.names(), ["ada"]);
    let place = cursor(&first);
    let turned = [filters[1], ("cursor", &*place), filters[0], ("pageSize", "7")];
    assert_eq!(list(&acme, &turned).await.page().names(), ["Bob"]);
    for others in [
        &[][..],
        &filters[..1],
        &[("q", "exampl"), filters[1]],
        &[filters[0], filters[1], ("company", "globex")],
        &[filters[0], filters[1], ("ids", "01a2036c-0d4c-7400-87c8-25f570a5ef21")],
    ] {
        let query = [others, &[("cursor", &*place)]].concat();
        refused(&acme, &query, json!({"cursor": OTHER_FILTERS})).await;
    }
}

#[tokio::test]
async fn a_cursor_counts_nothing_and_has_no_page() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let place = cursor(&list(&acme, &[("pageSize", "1")]).await.page());
    let fault = json!({"cursor": "Cannot be given with page"});
    refused(&acme, &[("cursor", &place), ("page", "1")], fault).await;
    let fault = json!({"total": "Cannot be given with cursor, which counts nothing"});
    refused(&acme, &[("cursor", &place), ("total", "exact")], fault).await;
}

#[tokio::test]
async fn a_cursor_of_another_tenant_or_list_is_none() {
    let app = TestApp::start().await;
    let (acme, globex) = (three(&app).await, app.tenant("globex").await);
    let place = cursor(&list(&acme, &[("pageSize", "1")]).await.page());
    refused(&globex, &[("cursor", &place)], json!({"cursor": STRANGER})).await;
    acme.get(&format!("{WEBHOOKS}?cursor={place}")).await.invalid(&json!({"cursor": STRANGER}));
    assert_eq!(list(&acme, &[("cursor", &place)]).await.page().names(), ["ada", "Bob"]);
}

#[tokio::test]
async fn a_cursor_is_good_for_whoever_else_calls_for_the_tenant_and_for_as_long_as_they_like() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let place = cursor(&list(&acme, &[("pageSize", "1")]).await.page());
    app.advance(TimeDelta::days(365));
    let reader = acme.with_scopes(&[shared::scope::Scope::ContactsRead]).await;
    assert_eq!(list(&reader, &[("cursor", &place)]).await.page().names(), ["ada", "Bob"]);
}

#[tokio::test]
async fn whatever_is_no_cursor_is_refused() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let place = cursor(&list(&acme, &[("pageSize", "1")]).await.page());
    let forged = {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let mut bytes = engine.decode(&place).unwrap();
        let at = bytes.len() - 30;
        bytes[at] ^= 1;
        engine.encode(bytes)
    };
    let long = "A".repeat(20_000);
    for text in [
        "",
        "null",
        "1",
        "AAAA",
        "ä\0",
        "[]",
        &forged,
        &place[..place.len() - 4],
        &place[4..],
        &long,
    ] {
        refused(&acme, &[("cursor", text)], json!({"cursor": STRANGER})).await;
    }
}

#[tokio::test]
async fn a_cursor_goes_on_where_pages_end() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    fill(&app, &acme, 205).await;
    let first = list(&acme, &[("pageSize", "100"), ("page", "2")]).await.page();
    let rest = list(&acme, &[("cursor", &cursor(&first))]).await.page();
    assert_eq!(rest.items.len(), 5);
    let whole = walk(&acme, &[("pageSize", "100")]).await;
    assert_eq!(ids(&whole)[200..], ids(&rest.items));
}
