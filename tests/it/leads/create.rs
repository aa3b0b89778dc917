//! Creating and showing.

use serde_json::{Value, json};
use shared::scope::Role;
use tests::kit::{COMPANIES, CONTACTS, LEADS, START, TestApp};
use uuid::Uuid;

use super::{at, deal};
use crate::pipelines::{pipeline, stage};

#[tokio::test]
async fn a_lead_with_everything_comes_back_as_it_was_sent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let company = acme.post(COMPANIES, json!({"name": "ACME"})).await.created();
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    let owner = acme.user(Role::Member).await;
    let body = json!({
        "title": " 40 seats ", "status": "qualified", "value": 12000.50, "currency": "CHF", "owner": owner,
        "contactId": contact["id"], "companyId": company["id"], "pipelineId": sales["id"],
        "stageId": stage(&sales, "Won"),
    });

    let answer = acme.post(LEADS, body).await;

    let location = answer.header("location").to_owned();
    let lead = answer.created();
    assert_eq!(
        lead,
        json!({
            "id": lead["id"], "tenantId": acme.id, "title": "40 seats", "status": "qualified", "value": 12000.5,
            "currency": "CHF", "owner": owner, "contactId": contact["id"], "companyId": company["id"],
            "pipelineId": sales["id"], "stageId": stage(&sales, "Won"), "convertedAt": null, "version": 1,
            "createdAt": START, "updatedAt": START,
        })
    );
    assert_eq!(location, at(&lead));
    assert_eq!(acme.get(&location).await.ok(), lead);
}

#[tokio::test]
async fn a_lead_needs_a_title_and_a_status_and_its_currency_is_the_tenants() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    for unknown in
        ["value", "owner", "contactId", "companyId", "pipelineId", "stageId", "convertedAt"]
    {
        assert_eq!(lead.get(unknown), Some(&Value::Null), "{unknown}");
    }
    assert_eq!(lead["currency"], "USD");
    app.database.execute("update tenants set currency = 'EUR'").await;
    assert_eq!(deal(&acme).await["currency"], "EUR");
    let answer = acme.post(LEADS, json!({"colour": "red"})).await;
    answer.invalid(
        &json!({"title": "Is required", "status": "Is required", "colour": "Unknown field"}),
    );
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let statuses = "Must be one of new, contacted, qualified, converted, lost";
    let amount = "Must be a number from 0 to 9999999999999999.99 with at most 2 decimal places";
    let currency = "Must be a currency code of ISO 4217, such as EUR";
    for (field, value, fault) in [
        ("title", json!(""), "Must be 1 to 100 characters"),
        ("title", json!("é".repeat(101)), "Must be 1 to 100 characters"),
        ("title", json!("a\nb"), "Must not contain control characters"),
        ("title", json!(7), "Must be a string"),
        ("status", json!("won"), statuses),
        ("status", json!("New"), statuses),
        ("status", json!(1), statuses),
        ("value", json!("12"), amount),
        ("value", json!(-0.01), amount),
        ("value", json!(1.005), amount),
        ("value", json!(1e16), amount),
        ("value", json!(true), amount),
        ("currency", json!("usd"), currency),
        ("currency", json!("XXX"), currency),
        ("currency", json!(840), "Must be a string"),
        ("owner", json!("me"), "Must be a UUID"),
        ("owner", json!(5), "Must be a string"),
        ("contactId", json!("contact-123"), "Must be a UUID"),
        ("companyId", json!(""), "Must be a UUID"),
        ("pipelineId", json!("x"), "Must be a UUID"),
        ("stageId", json!("x"), "Must be a UUID"),
    ] {
        let mut body = json!({"title": "Deal", "status": "new"});
        body[field] = value.clone();
        let answer = acme.post(LEADS, body).await;
        assert_eq!(answer.body["details"], json!({field: fault}), "{field} {value}");
        answer.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn no_digit_of_a_value_is_lost_on_any_way() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["lead.*"]).await;
    for (given, kept) in [
        ("9999999999999999.99", "9999999999999999.99"),
        ("9007199254740993.01", "9007199254740993.01"),
        ("0.1", "0.1"),
        ("1500.00", "1500"),
        ("1.5e3", "1500"),
        ("0", "0"),
    ] {
        let body = format!(r#"{{"title":"Deal","status":"new","value":{given}}}"#);
        let request = acme.request(reqwest::Method::POST, LEADS);
        let request = request.header("content-type", "application/json").body(body);
        let response = request.send().await.unwrap();
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let member = format!(r#""value":{kept},"#);
        let created = response.text().await.unwrap();
        assert!(created.contains(&member), "{created}");
        for path in [location, format!("{LEADS}?pageSize=1&sort=-createdAt&fields=id,value")] {
            let shown =
                acme.request(reqwest::Method::GET, &path).send().await.unwrap().text().await;
            let shown = shown.unwrap();
            assert!(shown.contains(&format!(r#""value":{kept}"#)), "{path}: {shown}");
        }
        app.worker().drain().await.unwrap();
        let sent = subscriber.receiver.calls().pop().unwrap();
        assert!(std::str::from_utf8(&sent.body).unwrap().contains(&member));
        app.advance(chrono::TimeDelta::seconds(1));
    }
}

#[tokio::test]
async fn references_to_records_that_are_not_there_are_refused_all_at_once_wherever_they_are() {
    let app = TestApp::start().await;
    let (acme, rival) = (app.tenant("acme").await, app.tenant("rival").await);
    let theirs = (
        rival.post(CONTACTS, json!({"name": "Eve"})).await.created(),
        rival.post(COMPANIES, json!({"name": "Evil"})).await.created(),
        pipeline(&rival, "Sales", &["New"]).await,
    );
    let strange = json!({
        "owner": rival.owner, "contactId": theirs.0["id"], "companyId": theirs.1["id"],
        "pipelineId": theirs.2["id"], "stageId": stage(&theirs.2, "New"),
    });
    let nobody = Uuid::nil();
    let absent = json!({
        "owner": nobody, "contactId": nobody, "companyId": nobody, "pipelineId": nobody, "stageId": nobody,
    });
    let inactive = acme.user(Role::Member).await;
    app.database.execute(&format!("update users set active = false where id = '{inactive}'")).await;
    let gone = acme.post(CONTACTS, json!({"name": "Gone"})).await.created();
    acme.delete(&format!("{CONTACTS}/{}", gone["id"].as_str().unwrap())).await.no_content();
    let faults = json!({
        "owner": "No such active user", "contactId": "No such contact", "companyId": "No such company",
        "pipelineId": "No such pipeline", "stageId": "No such stage",
    });
    let lead = deal(&acme).await;
    for references in [strange, absent] {
        let mut body = references.clone();
        body["title"] = json!("Deal");
        body["status"] = json!("new");
        acme.post(LEADS, body).await.invalid(&faults);
        acme.put(&at(&lead), references).await.invalid(&faults);
    }
    let body = json!({"owner": inactive, "contactId": gone["id"]});
    let faults = json!({"owner": "No such active user", "contactId": "No such contact"});
    acme.put(&at(&lead), body).await.invalid(&faults);
    assert_eq!(acme.get(&at(&lead)).await.ok(), lead);
}

#[tokio::test]
async fn a_pipeline_means_its_first_stage_and_a_stage_its_pipeline() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (sales, other) =
        (pipeline(&acme, "Sales", &["New", "Won"]).await, pipeline(&acme, "Other", &["In"]).await);
    let create = async |place: Value| {
        let mut body = json!({"title": "Deal", "status": "new"});
        body.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        acme.post(LEADS, body).await
    };
    let new = stage(&sales, "New");
    for (place, stage) in [
        (json!({"pipelineId": sales["id"]}), &new),
        (json!({"pipelineId": sales["id"], "stageId": null}), &new),
        (json!({"stageId": new}), &new),
        (json!({"pipelineId": null, "stageId": new}), &new),
    ] {
        let lead = create(place).await.created();
        assert_eq!((&lead["pipelineId"], &lead["stageId"]), (&sales["id"], stage));
    }
    let answer = create(json!({"pipelineId": other["id"], "stageId": new})).await;
    answer.invalid(&json!({"stageId": "Is no stage of the pipeline"}));
}

#[tokio::test]
async fn an_id_that_names_no_lead_is_not_found_whatever_it_looks_like() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for id in ["lead-1", "00000000-0000-0000-0000-000000000000"] {
        let path = format!("{LEADS}/{id}");
        acme.get(&path).await.not_found("Lead not found");
        acme.put(&path, json!({"owner": Uuid::nil()})).await.not_found("Lead not found");
        acme.delete(&path).await.not_found("Lead not found");
        acme.get(&format!("{path}/history")).await.not_found("Lead not found");
        acme.get(&format!("{path}/timeline")).await.not_found("Lead not found");
        acme.post(&format!("{path}/restore"), json!({})).await.not_found("Lead not found");
        acme.post(&format!("{path}/convert"), json!({})).await.not_found("Lead not found");
        let body = json!({"stageId": Uuid::nil()});
        acme.post(&format!("{path}/move"), body).await.not_found("Lead not found");
    }
}
