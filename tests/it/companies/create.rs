//! Creating and showing.

use serde_json::{Value, json};
use tests::kit::{COMPANIES, START, TestApp};
use uuid::Uuid;

use super::{at, globex};

#[tokio::test]
async fn every_field_comes_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    assert_eq!(
        company,
        json!({
            "id": company["id"], "tenantId": acme.id, "name": "Globex", "industry": "energy",
            "website": "https://globex.example", "employees": 250, "version": 1,
            "createdAt": START, "updatedAt": START,
        })
    );
    assert_eq!(acme.get(&at(&company)).await.ok(), company);
    let answer = acme.post(COMPANIES, json!({"name": "Initech"})).await;
    let location = answer.header("location").to_owned();
    let initech = answer.created();
    assert_eq!(location, at(&initech));
    for unknown in ["industry", "website", "employees"] {
        assert_eq!(initech.get(unknown), Some(&Value::Null), "{unknown}");
    }
}

#[tokio::test]
async fn every_failing_field_is_named_at_once_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body =
        json!({"name": "x".repeat(101), "website": "example.com", "employees": 3.5, "size": 3});
    acme.post(COMPANIES, body).await.invalid(&json!({
        "name": "Must be 1 to 100 characters",
        "website": "Must begin with http:// or https://, such as https://example.com",
        "employees": "Must be a whole number from 0 to 10000000",
        "size": "Unknown field",
    }));
    acme.post(COMPANIES, json!({"industry": "energy"}))
        .await
        .invalid(&json!({"name": "Is required"}));
    assert!(acme.get(COMPANIES).await.page().items.is_empty());
    assert!(app.announced().await.is_empty());
}

#[tokio::test]
async fn an_unknown_industry_is_answered_with_those_that_are_known() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for industry in ["piracy", "Energy", ""] {
        let answer = acme.post(COMPANIES, json!({"name": "A", "industry": industry})).await;
        let body = answer.problem(400, "VALIDATION_ERROR");
        let fault = body["details"]["industry"].as_str().unwrap();
        assert!(fault.starts_with("Must be one of ") && fault.contains("energy, "), "{fault}");
    }
}

#[tokio::test]
async fn employees_are_a_whole_number_from_zero_to_ten_million() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for good in [json!(0), json!(3.0), json!(10_000_000)] {
        let body = json!({"name": "A", "employees": good});
        let company = acme.post(COMPANIES, body).await.created();
        assert_eq!(company["employees"].as_f64(), good.as_f64());
    }
    for bad in [
        json!(3.5),
        json!("12"),
        json!(-1),
        json!(10_000_001),
        json!(1e300),
        json!([3]),
        json!(true),
    ] {
        let body = json!({"name": "A", "employees": bad});
        let fault = "Must be a whole number from 0 to 10000000";
        acme.post(COMPANIES, body).await.invalid(&json!({"employees": fault}));
    }
}

#[tokio::test]
async fn an_id_that_names_no_company_is_not_found_whatever_it_looks_like() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for id in [&*Uuid::nil().to_string(), "company-123", "%FF"] {
        let path = format!("{COMPANIES}/{id}");
        acme.get(&path).await.not_found("Company not found");
        acme.put(&path, json!({"name": "A"})).await.not_found("Company not found");
        acme.delete(&path).await.not_found("Company not found");
        acme.post(&format!("{path}/restore"), json!({})).await.not_found("Company not found");
    }
}

#[tokio::test]
async fn a_website_is_as_long_as_it_can_be_found_by_whatever_its_letters() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut number = 0x4e00;
    let mut letters = |count: usize| -> String {
        (0..count)
            .map(|_| {
                number += 1;
                char::from_u32(number).unwrap()
            })
            .collect()
    };
    let site = format!("https://a.example/{}", letters(676));
    assert_eq!(site.len(), 2046);
    let company = json!({"name": "A", "website": site});
    assert_eq!(acme.post(COMPANIES, company).await.created()["website"], site);
    let long = json!({"name": "A", "website": format!("{site}{}", letters(1))});
    acme.post(COMPANIES, long).await.invalid(&json!({"website": "Must be at most 2048 bytes"}));
}
