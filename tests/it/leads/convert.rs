//! A lead becomes business.

use serde_json::{Value, json};
use shared::scope::Scope;
use tests::kit::{Answer, COMPANIES, CONTACTS, LEADS, START, Tenant, TestApp};

use super::{at, deal};
use crate::pipelines::{heard, only};

async fn convert(tenant: &Tenant, lead: &Value, body: Value) -> Answer {
    tenant.post(&format!("{}/convert", at(lead)), body).await
}

async fn show(tenant: &Tenant, path: &str, id: &Value) -> Value {
    tenant.get(&format!("{path}/{}", id.as_str().unwrap())).await.ok()
}

#[tokio::test]
async fn a_contact_and_a_company_are_created_together_and_everything_is_told() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    heard(&app).await;
    let body = json!({"contact": {"name": "John", "email": "john@example.com"}, "company": {"name": "Globex"}});

    let converted = convert(&acme, &lead, body).await.ok();

    assert_eq!(
        (&converted["status"], &converted["convertedAt"]),
        (&json!("converted"), &json!(START))
    );
    let contact = show(&acme, CONTACTS, &converted["contactId"]).await;
    let company = show(&acme, COMPANIES, &converted["companyId"]).await;
    assert_eq!((&contact["name"], &contact["companyId"]), (&json!("John"), &company["id"]));
    assert_eq!(company["name"], "Globex");
    let told = heard(&app).await;
    assert_eq!(only(&told, "contact.created"), [contact]);
    assert_eq!(only(&told, "company.created"), [company]);
    let mut updated = converted.clone();
    updated["previous"] =
        json!({"status": "new", "contactId": null, "companyId": null, "convertedAt": null});
    assert_eq!(only(&told, "lead.updated"), [updated]);
    let entry = acme.get(&format!("{}/timeline", at(&lead))).await.page().items.remove(0);
    assert_eq!((&entry["type"], &entry["subject"]), (&json!("system"), &json!("Converted")));
    assert_eq!(entry["contactId"], converted["contactId"]);
}

#[tokio::test]
async fn without_a_word_the_leads_own_records_are_linked_or_a_contact_is_made_of_its_title() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bare = convert(&acme, &deal(&acme).await, json!({})).await.ok();
    assert_eq!(bare["companyId"], Value::Null);
    assert_eq!(show(&acme, CONTACTS, &bare["contactId"]).await["name"], "Deal");

    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let company = acme.post(COMPANIES, json!({"name": "Globex"})).await.created();
    let body = json!({
        "title": "Deal", "status": "new", "contactId": contact["id"], "companyId": company["id"],
    });
    let lead = acme.post(LEADS, body.clone()).await.created();
    heard(&app).await;
    let linked = convert(&acme, &lead, json!({})).await.ok();
    assert_eq!((&linked["contactId"], &linked["companyId"]), (&contact["id"], &company["id"]));
    assert_eq!(only(&heard(&app).await, "contact.created"), [json!(null); 0]);

    let lead = acme.post(LEADS, body).await.created();
    acme.delete(&format!("{CONTACTS}/{}", contact["id"].as_str().unwrap())).await.no_content();
    acme.delete(&format!("{COMPANIES}/{}", company["id"].as_str().unwrap())).await.no_content();
    let anew = convert(&acme, &lead, json!({})).await.ok();
    let made = show(&acme, CONTACTS, &anew["contactId"]).await;
    assert_eq!((&made["name"], &made["companyId"]), (&json!("Deal"), &Value::Null));
}

#[tokio::test]
async fn records_that_are_there_can_be_linked_instead() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let company = acme.post(COMPANIES, json!({"name": "Globex"})).await.created();
    let lead = deal(&acme).await;
    let body = json!({"contactId": contact["id"], "companyId": company["id"]});
    let converted = convert(&acme, &lead, body).await.ok();
    assert_eq!(
        (&converted["contactId"], &converted["companyId"]),
        (&contact["id"], &company["id"])
    );
    assert_eq!(
        show(&acme, CONTACTS, &contact["id"]).await,
        contact,
        "what is linked is not changed"
    );
}

#[tokio::test]
async fn a_lead_is_converted_once() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    let hold = app.database.hold("select from leads for update").await;
    let both = async {
        app.database.waiting(2).await;
        hold.release().await;
    };
    let (one, other, ()) =
        tokio::join!(convert(&acme, &lead, json!({})), convert(&acme, &lead, json!({})), both);
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let body = convert(&acme, &lead, json!({})).await.problem(409, "CONFLICT");
    assert_eq!(body["error"], "The lead is converted already");
    assert_eq!(acme.get(CONTACTS).await.page().items.len(), 1);
    acme.put(&at(&lead), json!({"status": "contacted"})).await.ok();
    convert(&acme, &lead, json!({})).await.ok();
}

#[tokio::test]
async fn values_of_another_contact_are_named_by_their_path_too() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let john = json!({"name": "John", "externalId": "j-1"});
    let holder = acme.post(CONTACTS, john.clone()).await.created();
    let taken = convert(&acme, &deal(&acme).await, json!({"contact": john})).await;
    let body = taken.problem(409, "CONFLICT");
    let told = json!({"contact.externalId": "j-1", "existingId": holder["id"]});
    assert_eq!(body["details"], told);
}

#[tokio::test]
async fn every_fault_is_named_by_its_path_and_nothing_is_created() {
    let app = TestApp::start().await;
    let (acme, rival) = (app.tenant("acme").await, app.tenant("rival").await);
    let theirs = rival.post(CONTACTS, json!({"name": "Eve"})).await.created();
    let lead = deal(&acme).await;
    let nobody = uuid::Uuid::nil();
    for (body, faults) in [
        (
            json!({"contact": {"email": "x", "colour": "red"}, "company": {"name": "", "employees": -1}, "x": 1}),
            json!({
                "contact.name": "Is required", "contact.email": "Invalid email format",
                "contact.colour": "Unknown field", "company.name": "Must be 1 to 100 characters",
                "company.employees": "Must be a whole number from 0 to 10000000", "x": "Unknown field",
            }),
        ),
        (
            json!({"contact": "John", "company": []}),
            json!({"contact": "Must be an object", "company": "Must be an object"}),
        ),
        (
            json!({"contactId": nobody, "contact": {"name": "J"}, "companyId": nobody, "company": {"name": "C"}}),
            json!({
                "contact": "Must be absent beside contactId", "company": "Must be absent beside companyId",
            }),
        ),
        (
            json!({"contactId": nobody, "companyId": nobody}),
            json!({"contactId": "No such contact", "companyId": "No such company"}),
        ),
        (
            json!({"contactId": 5, "contact": {"name": ""}, "companyId": "x", "company": {"name": "C"}}),
            json!({
                "contactId": "Must be a string", "contact.name": "Must be 1 to 100 characters",
                "contact": "Must be absent beside contactId",
                "companyId": "Must be a UUID", "company": "Must be absent beside companyId",
            }),
        ),
        (json!({"contactId": theirs["id"]}), json!({"contactId": "No such contact"})),
        (
            json!({"contact": {"name": "J", "companyId": nobody}, "company": {"name": "C"}}),
            json!({"contact.companyId": "No such company"}),
        ),
    ] {
        convert(&acme, &lead, body).await.invalid(&faults);
    }
    assert_eq!(acme.get(&at(&lead)).await.ok(), lead);
    assert_eq!(acme.get(COMPANIES).await.page().items.len(), 0);
    assert_eq!(acme.get(CONTACTS).await.page().items.len(), 0);
}

#[tokio::test]
async fn a_deleted_record_that_is_named_is_refused_also_when_it_is_the_leads_own() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let company = acme.post(COMPANIES, json!({"name": "Globex"})).await.created();
    let own = json!({"contactId": contact["id"], "companyId": company["id"]});
    let lead = json!({"title": "Deal", "status": "new", "contactId": contact["id"], "companyId": company["id"]});
    let lead = acme.post(LEADS, lead).await.created();
    acme.delete(&format!("{CONTACTS}/{}", contact["id"].as_str().unwrap())).await.no_content();
    acme.delete(&format!("{COMPANIES}/{}", company["id"].as_str().unwrap())).await.no_content();
    let faults = json!({"contactId": "No such contact", "companyId": "No such company"});
    convert(&acme, &lead, own).await.invalid(&faults);
    assert_eq!(acme.get(&at(&lead)).await.ok(), lead);
    assert_eq!(acme.get(CONTACTS).await.page().items.len(), 0);
}

#[tokio::test]
async fn a_company_that_goes_meanwhile_is_not_held_against_whoever_did_not_name_it() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let company = acme.post(COMPANIES, json!({"name": "Globex"})).await.created();
    let lead = json!({"title": "Deal", "status": "new", "companyId": company["id"]});
    let lead = acme.post(LEADS, lead).await.created();
    let named = json!({"companyId": company["id"]});
    let other = deal(&acme).await;
    let hold = app.database.hold("update companies set deleted_at = created_at").await;
    let gone = async {
        app.database.waiting(2).await;
        hold.commit().await;
    };
    let (converted, refused, ()) =
        tokio::join!(convert(&acme, &lead, json!({})), convert(&acme, &other, named), gone);
    let converted = converted.ok();
    assert_eq!(converted["companyId"], company["id"], "it may come back");
    let contact = show(&acme, CONTACTS, &converted["contactId"]).await;
    assert_eq!(contact["companyId"], Value::Null);
    refused.invalid(&json!({"companyId": "No such company"}));
}

#[tokio::test]
async fn creating_takes_the_right_to_create() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let seller = acme.with_scopes(&[Scope::LeadsRead, Scope::LeadsWrite]).await;
    for (body, scope) in [
        (json!({}), "contacts:write"),
        (json!({"contact": {"name": "John"}}), "contacts:write"),
        (json!({"contactId": contact["id"], "company": {"name": "Globex"}}), "companies:write"),
    ] {
        let problem = convert(&seller, &lead, body).await.problem(403, "INSUFFICIENT_SCOPE");
        assert_eq!(problem["details"]["scope"], scope);
    }
    convert(&seller, &lead, json!({"contactId": contact["id"]})).await.ok();
}
