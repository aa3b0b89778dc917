//! `q`: a part of name, e-mail address, phone or company.

use serde_json::json;
use tests::kit::{CONTACTS, TestApp, WEBHOOKS};

use super::{fill, list, names, refused, three};

#[tokio::test]
async fn a_search_finds_parts_of_name_email_phone_and_company() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    for (q, found) in [
        ("ada", &["ada"][..]),
        ("BOB", &["Bob"]),
        ("example.com", &["ada", "Bob"]),
        ("7946-0958", &["ada"]),
        ("lobe", &["Bob"]),
        ("  acme  ", &["ada"]),
        ("nobody", &[]),
    ] {
        assert_eq!(names(&acme, &[("q", q)]).await, found, "{q}");
    }
}

#[tokio::test]
async fn signs_that_mean_something_to_the_database_mean_themselves() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for name in
        ["100% wool", "1000 sheep", r"back\slash", "under_score", "underxscore", "O'Hara", r"end\"]
    {
        acme.post(CONTACTS, json!({"name": name})).await.created();
    }
    for (q, found) in [
        ("100%", "100% wool"),
        ("0% w", "100% wool"),
        (r"back\s", r"back\slash"),
        ("under_", "under_score"),
        ("o'h", "O'Hara"),
        (r"nd\", r"end\"),
    ] {
        assert_eq!(names(&acme, &[("q", q)]).await, [found], "{q}");
    }
    for q in ["%%%", "___", r"\\\", "'; drop table contacts; --"] {
        assert_eq!(names(&acme, &[("q", q)]).await, [""; 0], "{q}");
    }
}

#[tokio::test]
async fn a_search_needs_three_characters_of_any_script() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.post(CONTACTS, json!({"name": "山田太郎"})).await.created();
    assert_eq!(names(&acme, &[("q", "田太郎")]).await, ["山田太郎"]);
    let fault = json!({"q": "Must be 3 to 100 characters"});
    let long = "a".repeat(101);
    for q in ["", "ab", "  ab  ", "山田", &long, "abc\0"] {
        refused(&acme, &[("q", q)], fault.clone()).await;
    }
}

#[tokio::test]
async fn a_search_is_narrowed_sorted_and_paged_like_any_list() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    assert_eq!(names(&acme, &[("q", "example"), ("sort", "createdAt")]).await, ["Bob", "ada"]);
    assert_eq!(names(&acme, &[("q", "example"), ("company", "globex")]).await, ["Bob"]);
    let page = list(&acme, &[("q", "example"), ("page", "2"), ("pageSize", "1")]).await.page();
    assert_eq!((page.names(), &page.pagination["total"]), (vec!["Bob"], &json!(2)));
}

#[tokio::test]
async fn a_search_stays_within_the_tenant() {
    let app = TestApp::start().await;
    let (acme, globex) = (three(&app).await, app.tenant("globex").await);
    globex.post(CONTACTS, json!({"name": "Ada of Globex"})).await.created();
    assert_eq!(names(&acme, &[("q", "ada")]).await, ["ada"]);
    assert_eq!(names(&globex, &[("q", "ada")]).await, ["Ada of Globex"]);
}

#[tokio::test]
async fn a_list_that_cannot_be_searched_says_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.get(&format!("{WEBHOOKS}?q=example")).await.invalid(&json!({"q": "Unknown parameter"}));
}

#[tokio::test]
async fn a_text_that_very_many_contain_is_sorted_filtered_and_paged_by_all_of_them() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    fill(&app, &acme, 10_001).await;
    for name in ["Contact newest", "Contact of Globex"] {
        app.advance(chrono::TimeDelta::days(1));
        acme.post(CONTACTS, json!({"name": name, "company": "Globex"})).await.created();
    }
    let newest = list(&acme, &[("q", "CONTACT"), ("pageSize", "2")]).await.page();
    assert_eq!(newest.names(), ["Contact of Globex", "Contact newest"]);
    assert_eq!(
        (&newest.pagination["total"], &newest.pagination["totalIsEstimate"]),
        (&json!(10_000), &json!(true))
    );
    let cursor = newest.pagination["nextCursor"].as_str().unwrap();
    let next = list(&acme, &[("q", "CONTACT"), ("cursor", cursor)]).await.page();
    assert_eq!(next.items.len(), 20);

    let both = [("q", "contact"), ("company", "globex"), ("pageSize", "1")];
    let first = list(&acme, &both).await.page();
    assert_eq!(
        (&first.pagination["total"], &first.pagination["totalIsEstimate"]),
        (&json!(2), &json!(false))
    );
    let beyond = list(&acme, &[("q", "contact"), ("page", "501")]).await.page();
    assert_eq!((beyond.items.len(), &beyond.pagination["hasMore"]), (3, &json!(false)));
}
