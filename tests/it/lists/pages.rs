//! Pages and sorts.

use serde_json::{Value, json};
use tests::kit::{CONTACTS, Page, TestApp, WEBHOOKS};

use super::{fill, list, names, refused, three};

#[tokio::test]
async fn a_list_is_newest_first_and_says_where_its_page_stands() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let page = acme.get(CONTACTS).await.page();
    assert_eq!(page.names(), ["Cy", "ada", "Bob"]);
    assert_eq!(page.items[0], acme.get(&crate::contacts::at(&page.items[0])).await.ok());
    assert_eq!(standing(page), pagination(3, 1, 20, 1));
}

#[tokio::test]
async fn an_empty_list_has_no_pages() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for path in [CONTACTS, WEBHOOKS] {
        let page = acme.get(path).await.page();
        assert_eq!(page.items, [Value::Null; 0]);
        assert_eq!(standing(page), pagination(0, 1, 20, 0));
    }
}

#[tokio::test]
async fn pages_divide_a_list_without_gap_or_overlap() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    for (page, found) in [("1", &["Cy", "ada"][..]), ("2", &["Bob"]), ("3", &[]), ("50", &[])] {
        let answer = list(&acme, &[("page", page), ("pageSize", "2")]).await.page();
        assert_eq!(answer.names(), found);
        assert_eq!(standing(answer), pagination(3, page.parse().unwrap(), 2, 2));
    }
}

#[tokio::test]
async fn contacts_of_the_same_instant_still_have_one_order() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    fill(&app, &acme, 30).await;
    let all = list(&acme, &[("pageSize", "100")]).await.page();
    let mut pieces = Vec::new();
    for page in 1..=10 {
        let page = list(&acme, &[("page", &page.to_string()), ("pageSize", "3")]).await.page();
        pieces.extend(page.items);
    }
    assert_eq!(pieces, all.items);
}

#[tokio::test]
async fn every_sort_works_in_both_directions_and_names_ignore_case() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let bob = list(&acme, &[("name", "bob")]).await.page().items.remove(0);
    acme.patch(&crate::contacts::at(&bob), json!({"company": "Initech"})).await.ok();
    for (sort, order) in [
        ("createdAt", ["Bob", "ada", "Cy"]),
        ("-createdAt", ["Cy", "ada", "Bob"]),
        ("updatedAt", ["ada", "Cy", "Bob"]),
        ("-updatedAt", ["Bob", "Cy", "ada"]),
        ("name", ["ada", "Bob", "Cy"]),
        ("-name", ["Cy", "Bob", "ada"]),
    ] {
        assert_eq!(names(&acme, &[("sort", sort)]).await, order, "{sort}");
    }
}

#[tokio::test]
async fn a_page_has_at_most_a_hundred_records() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    fill(&app, &acme, 101).await;
    let page = list(&acme, &[("pageSize", "100")]).await.page();
    assert_eq!((page.items.len(), standing(page)), (100, pagination(101, 1, 100, 2)));
    refused(
        &acme,
        &[("pageSize", "101")],
        json!({"pageSize": "Must be a whole number from 1 to 100"}),
    )
    .await;
}

#[tokio::test]
async fn a_list_is_counted_exactly_to_ten_thousand_and_says_so_beyond() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    fill(&app, &acme, 10_000).await;
    let exact = standing(acme.get(CONTACTS).await.page());
    assert_eq!(exact, pagination(10_000, 1, 20, 500));

    fill(&app, &acme, 1).await;
    let last = list(&acme, &[("page", "501")]).await.page();
    assert_eq!((last.items.len(), standing(last)), (1, pagination(10_001, 501, 20, 501)));

    let exact = list(&acme, &[("total", "exact")]).await.page();
    assert_eq!(standing(exact), pagination(10_001, 1, 20, 501));
    let exact = list(&acme, &[("total", "exact"), ("page", "501")]).await.page();
    assert_eq!(standing(exact), pagination(10_001, 501, 20, 501));
    let mut estimate = pagination(10_000, 1, 20, 500);
    estimate["totalIsEstimate"] = json!(true);
    assert_eq!(standing(list(&acme, &[("total", "estimate")]).await.page()), estimate);
    let fault = json!({"total": "Must be exact or estimate"});
    refused(&acme, &[("total", "all")], fault).await;
    refused(&acme, &[("total", "exact"), ("q", "con")], json!({"total": "Cannot be exact with q"}))
        .await;
}

#[tokio::test]
async fn every_wrong_parameter_is_named_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sorts = "Must be one of createdAt, updatedAt, name, with or without a leading -";
    refused(
        &acme,
        &[
            ("page", "0"),
            ("pageSize", "ten"),
            ("sort", "age"),
            ("q", "ab"),
            ("phone", "030 1234567"),
            ("createdAt[gte]", "yesterday"),
            ("name[gt]", "a"),
            ("colour", "red"),
            ("name", "Ada"),
            ("name", "Bob"),
        ],
        json!({
            "page": "Must be a whole number of at least 1",
            "pageSize": "Must be a whole number from 1 to 100",
            "sort": sorts,
            "q": "Must be 3 to 100 characters",
            "phone": "Must start with + and the country code; a + is written %2B",
            "createdAt[gte]": "Must be a time such as 2026-01-02T03:04:05Z, or a day",
            "name[gt]": "Unknown parameter",
            "colour": "Unknown parameter",
            "name": "Is given twice",
        }),
    )
    .await;
}

#[tokio::test]
async fn no_page_reaches_beyond_record_one_hundred_thousand() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let fault = json!({"page": "Must not reach beyond record 100000; go on with cursor"});
    assert_eq!(names(&acme, &[("page", "1000"), ("pageSize", "100")]).await, [""; 0]);
    for page in ["1001", "9223372036854775807"] {
        refused(&acme, &[("page", page), ("pageSize", "100")], fault.clone()).await;
    }
    let fault = json!({"page": "Must be a whole number of at least 1"});
    for page in ["-1", "1.5", "9223372036854775808", "0x1"] {
        refused(&acme, &[("page", page)], fault.clone()).await;
    }
}

#[tokio::test]
async fn a_list_shows_the_tenants_own_contacts_that_are_not_deleted() {
    let app = TestApp::start().await;
    let (acme, globex) = (three(&app).await, app.tenant("globex").await);
    globex.post(CONTACTS, json!({"name": "Ada of Globex"})).await.created();
    let ada = list(&acme, &[("name", "ada")]).await.page().items.remove(0);
    acme.delete(&crate::contacts::at(&ada)).await.no_content();
    assert_eq!(names(&acme, &[]).await, ["Cy", "Bob"]);
    assert_eq!(names(&globex, &[]).await, ["Ada of Globex"]);
}

fn pagination(total: u32, page: u32, page_size: u32, pages: u32) -> Value {
    json!({
        "total": total, "page": page, "pageSize": page_size, "pages": pages, "totalIsEstimate": false,
        "hasMore": page < pages,
    })
}

/// The pagination without its cursor, which is there exactly when there is more.
#[track_caller]
fn standing(mut page: Page) -> Value {
    let cursor = page.pagination.as_object_mut().unwrap().remove("nextCursor").unwrap();
    assert_eq!(json!(cursor.is_string()), page.pagination["hasMore"]);
    page.pagination
}
