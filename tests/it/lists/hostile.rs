//! What nobody should send, and somebody will.

use serde_json::json;
use tests::kit::{CONTACTS, TestApp};

use super::{list, names, refused, three};

#[tokio::test]
async fn what_is_not_utf8_is_refused_and_a_bare_percent_sign_is_itself() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let fault = json!({"name": "Must be UTF-8, percent-encoded"});
    for bytes in ["%FF", "a%C3", "%ED%A0%80"] {
        acme.get(&format!("{CONTACTS}?name={bytes}")).await.invalid(&fault);
    }
    for text in ["50%", "%zz", "%"] {
        assert_eq!(acme.get(&format!("{CONTACTS}?name={text}")).await.page().names(), [""; 0]);
    }
}

#[tokio::test]
async fn fifty_parameters_are_read_and_fifty_one_are_not() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let query = |count| (0..count).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    let body =
        acme.get(&format!("{CONTACTS}?{}", query(50))).await.problem(400, "VALIDATION_ERROR");
    assert_eq!(body["details"].as_object().unwrap().len(), 50);
    for many in [query(51), format!("name=a&{}", "name=a&".repeat(50))] {
        let body = acme.get(&format!("{CONTACTS}?{many}")).await.problem(400, "BAD_REQUEST");
        assert_eq!(body["error"], "Too many query parameters");
    }
}

#[tokio::test]
async fn ids_find_exactly_these_records_of_the_tenant() {
    let app = TestApp::start().await;
    let (acme, globex) = (three(&app).await, app.tenant("globex").await);
    let all = list(&acme, &[]).await.page();
    let id = |at: usize| all.items[at]["id"].as_str().unwrap();
    let both = format!("{},{}, {}", id(0), id(2), uuid::Uuid::nil());
    assert_eq!(names(&acme, &[("ids", &both)]).await, ["Cy", "Bob"]);
    assert_eq!(names(&acme, &[("ids", &both), ("name", "bob")]).await, ["Bob"]);
    assert_eq!(names(&globex, &[("ids", &both)]).await, [""; 0]);
    let fault = json!({"ids": "Must be an id, which is a UUID"});
    for bad in ["", "contact-123", &format!("{},", id(0)), "null"] {
        refused(&acme, &[("ids", bad)], fault.clone()).await;
    }
    let many = vec![id(0); 101].join(",");
    refused(&acme, &[("ids", &many)], json!({"ids": "Must name at most 100 values"})).await;
    assert_eq!(names(&acme, &[("ids", &many[..many.len() - 37])]).await, ["Cy"]);
}

#[tokio::test]
async fn times_at_the_ends_of_the_calendar_are_times() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    for (from, found) in [
        ("0000-01-01T00:00:00Z", 3),
        ("0001-01-01T00:00:00+23:59", 3),
        ("9999-12-31T23:59:59.999999999-23:59", 0),
        ("2026-06-30T23:59:60Z", 0),
        ("2026-01-01", 3),
        ("9999-12-31", 0),
    ] {
        assert_eq!(names(&acme, &[("createdAt[gte]", from)]).await.len(), found, "{from}");
    }
    let fault = json!({"createdAt[gte]": "Must be a time such as 2026-01-02T03:04:05Z, or a day"});
    for bad in [
        "",
        "10000-01-01T00:00:00Z",
        "2026-02-30",
        "2026-02-30T00:00:00Z",
        "infinity",
        "-9999-1-01",
        "+99999-1-1",
        "-99999-1-1",
    ] {
        refused(&acme, &[("createdAt[gte]", bad)], fault.clone()).await;
    }
}
