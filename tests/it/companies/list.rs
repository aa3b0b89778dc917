//! Lists: what companies are found by.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{COMPANIES, Tenant, TestApp};

/// The names of what a query finds, in its order.
async fn find(tenant: &Tenant, query: &str) -> Vec<String> {
    let page = tenant.get(&format!("{COMPANIES}?{query}")).await.page();
    page.names().into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn companies_are_found_by_their_fields_and_sorted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for company in [
        json!({"name": "Globex", "industry": "energy", "website": "https://globex.example", "employees": 250}),
        json!({"name": "initech", "industry": "technology", "website": "https://initech.example", "employees": 0}),
        json!({"name": "Hooli"}),
        json!({"name": "Umbrella", "industry": "energy", "employees": 9000}),
    ] {
        acme.post(COMPANIES, company).await.created();
        app.advance(TimeDelta::minutes(1));
    }
    for (query, expected) in [
        ("", "Umbrella Hooli initech Globex"),
        ("name=INITECH", "initech"),
        ("industry=energy", "Umbrella Globex"),
        ("industry[in]=technology,retail", "initech"),
        ("website=HTTPS://globex.example", "Globex"),
        ("employees=250", "Globex"),
        ("employees[gte]=0&employees[lt]=9000", "initech Globex"),
        ("employees[gt]=250", "Umbrella"),
        ("employees[lte]=0", "initech"),
        ("createdAt[lt]=2026-01-02T03:05:05.678Z", "Globex"),
        ("updatedAt[gte]=2026-01-02T03:07:05.678Z", "Umbrella"),
        ("q=GLOB", "Globex"),
        ("q=initech.example", "initech"),
        ("sort=name", "Globex Hooli initech Umbrella"),
        ("sort=employees", "Hooli initech Globex Umbrella"),
        ("sort=-employees&pageSize=2", "Umbrella Globex"),
        ("sort=-updatedAt&industry=energy", "Umbrella Globex"),
    ] {
        assert_eq!(find(&acme, query).await.join(" "), expected, "{query}");
    }
    for query in
        ["industry=piracy", "employees=few", "employees[gt]=3.5", "size=3", "sort=website", "q=ab"]
    {
        acme.get(&format!("{COMPANIES}?{query}")).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_cursor_goes_through_companies_whose_size_nobody_knows() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (name, employees) in [("A", None), ("B", Some(5)), ("C", None), ("D", Some(0))] {
        acme.post(COMPANIES, json!({"name": name, "employees": employees})).await.created();
        app.advance(TimeDelta::minutes(1));
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = acme.get(&format!("{COMPANIES}?sort=employees&pageSize=1{cursor}")).await.page();
        seen.extend(page.names().into_iter().map(str::to_owned));
        let Some(next) = page.pagination["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["A", "C", "D", "B"]);
}
