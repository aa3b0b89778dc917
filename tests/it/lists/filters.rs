//! Filters.

use serde_json::json;
use tests::kit::TestApp;

use super::{names, refused, three};

#[tokio::test]
async fn text_is_found_whole_and_whatever_its_case() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    for (query, found) in [
        (("name", "ADA"), &["ada"][..]),
        (("name", " Ada "), &["ada"]),
        (("name", "ad"), &[]),
        (("email", "ADA@example.COM"), &["ada"]),
        (("email", "bob@example.com"), &["Bob"]),
        (("company", "acme corp"), &["ada"]),
        (("company", "acme"), &[]),
        (("company", "%"), &[]),
        (("company", "' or true --"), &[]),
    ] {
        assert_eq!(names(&acme, &[query]).await, found, "{query:?}");
    }
}

#[tokio::test]
async fn upper_case_letters_of_every_script_are_folded_as_the_database_folds_them() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.post(tests::kit::CONTACTS, json!({"name": "ÉMILE ΣΊΣΥΦΟΣ"})).await.created();
    for query in ["ÉMILE ΣΊΣΥΦΟΣ", "émile ΣΊΣΥΦΟΣ"] {
        assert_eq!(names(&acme, &[("name", query)]).await, ["ÉMILE ΣΊΣΥΦΟΣ"], "{query}");
    }
    assert_eq!(names(&acme, &[("q", "éMILe")]).await, ["ÉMILE ΣΊΣΥΦΟΣ"]);
}

#[tokio::test]
async fn a_phone_is_found_however_it_is_written() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    for phone in ["+442079460958", "+44 20 7946 0958", "+44 (20) 7946-0958"] {
        assert_eq!(names(&acme, &[("phone", phone)]).await, ["ada"], "{phone}");
    }
    assert_eq!(
        names(&acme, &[("phone[in]", "+442079460958,+49 30 1234567")]).await,
        ["ada", "Bob"]
    );
    assert_eq!(names(&acme, &[("phone", "+4420794609")]).await, [""; 0]);
}

#[tokio::test]
async fn white_space_around_a_value_belongs_to_no_value_of_whatever_kind() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (name, id) in [("Ada", "1"), ("Bob", "b-2"), ("Cy", "c, 3")] {
        let contact = json!({"name": name, "externalId": id});
        acme.post(tests::kit::CONTACTS, contact).await.created();
        app.advance(chrono::TimeDelta::hours(1));
    }
    for (query, found) in [
        (("externalId[in]", "1 , b-2, \"c, 3\" "), &["Cy", "Bob", "Ada"][..]),
        (("externalId", " b-2 "), &["Bob"]),
        (("name[in]", "nobody, \"Bob\""), &["Bob"]),
    ] {
        assert_eq!(names(&acme, &[query]).await, found, "{query:?}");
    }
    let lead = json!({"title": "Deal", "status": "lost"});
    acme.post(tests::kit::LEADS, lead).await.created();
    let path = format!("{}?status[in]=new,%20lost%20", tests::kit::LEADS);
    assert_eq!(acme.get(&path).await.page().items.len(), 1);
}

#[tokio::test]
async fn a_list_of_values_finds_each_of_them() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    assert_eq!(names(&acme, &[("name[in]", "ADA,bob,nobody")]).await, ["ada", "Bob"]);
    assert_eq!(
        names(&acme, &[("email[in]", "bob@example.com, ada@example.com")]).await,
        ["ada", "Bob"]
    );
    assert_eq!(names(&acme, &[("company[in]", "globex")]).await, ["Bob"]);
    let many = vec!["Ada"; 101].join(",");
    refused(&acme, &[("name[in]", &many)], json!({"name[in]": "Must name at most 100 values"}))
        .await;
}

#[tokio::test]
async fn times_are_compared_on_either_side_with_or_without_the_edge() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    // Bob, ada and Cy were created at 03, 04 and 05 o'clock.
    let ada = "2026-01-02T04:04:05.678Z";
    for (filter, found) in [
        ("createdAt", &["ada"][..]),
        ("createdAt[gt]", &["Cy"]),
        ("createdAt[gte]", &["Cy", "ada"]),
        ("createdAt[lt]", &["Bob"]),
        ("createdAt[lte]", &["ada", "Bob"]),
        ("updatedAt", &["ada"]),
        ("updatedAt[gt]", &["Cy"]),
        ("updatedAt[gte]", &["Cy", "ada"]),
        ("updatedAt[lt]", &["Bob"]),
        ("updatedAt[lte]", &["ada", "Bob"]),
    ] {
        assert_eq!(names(&acme, &[(filter, ada)]).await, found, "{filter}");
    }
    assert_eq!(
        names(&acme, &[("createdAt[gte]", "2026-01-02T05:04:05.678+01:00")]).await,
        ["Cy", "ada"]
    );
    refused(&acme, &[("createdAt[in]", ada)], json!({"createdAt[in]": "Unknown parameter"})).await;
}

#[tokio::test]
async fn filters_narrow_each_other() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let after = ("createdAt[gt]", "2026-01-02T03:30:00Z");
    assert_eq!(names(&acme, &[("name[in]", "ada,bob"), after]).await, ["ada"]);
    let between = [after, ("createdAt[lt]", "2026-01-02T04:30:00Z")];
    assert_eq!(names(&acme, &between).await, ["ada"]);
    assert_eq!(names(&acme, &[("name", "ada"), ("company", "globex")]).await, [""; 0]);
}

#[tokio::test]
async fn a_value_that_the_database_could_not_hold_is_refused() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let fault = "Must not contain NUL characters";
    refused(&acme, &[("name", "a\0")], json!({"name": fault})).await;
    refused(&acme, &[("email[in]", "a,b\0")], json!({"email[in]": fault})).await;
}
