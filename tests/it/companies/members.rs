//! Contacts that belong to companies (requirement C-10), and what a change or an end of a company does to them
//! (requirement CO-10).

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::Scope;
use tests::kit::{Answer, COMPANIES, CONTACTS, Tenant, TestApp};
use uuid::Uuid;

use super::{at, globex};
use crate::contacts::at as contact_at;

async fn member(tenant: &Tenant, company: &Value) -> Value {
    let body = json!({"name": "Ada", "companyId": company["id"]});
    tenant.post(CONTACTS, body).await.created()
}

async fn change(tenant: &Tenant, contact: &Value, change: Value) -> Value {
    tenant.put(&contact_at(contact), change).await.ok()
}

fn company_of(contact: &Value) -> (&Value, &Value) {
    (&contact["company"], &contact["companyId"])
}

#[tokio::test]
async fn a_contact_with_only_an_id_reads_the_companys_name_and_is_found_by_both() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    let ada = member(&acme, &company).await;
    assert_eq!(company_of(&ada), (&json!("Globex"), &company["id"]));
    let own = json!({"name": "Bob", "companyId": company["id"], "company": "Globex, Berlin"});
    let bob = acme.post(CONTACTS, own).await.created();
    assert_eq!(company_of(&bob), (&json!("Globex, Berlin"), &company["id"]));
    let nobody = acme.post(CONTACTS, json!({"name": "Eve", "company": "Globex"})).await.created();
    assert_eq!(nobody["companyId"], Value::Null);

    let id = company["id"].as_str().unwrap();
    let found =
        async |query: String| acme.get(&format!("{CONTACTS}?sort=name&{query}")).await.page().items;
    assert_eq!(found("company=globex".to_owned()).await, [ada.clone(), nobody.clone()]);
    assert_eq!(found(format!("companyId={id}")).await, [ada, bob.clone()]);
    assert_eq!(found("q=berlin".to_owned()).await, [bob]);
    assert_eq!(found("companyId=null".to_owned()).await, [nobody]);
}

#[tokio::test]
async fn a_company_that_is_not_the_tenants_is_refused_like_one_that_never_was() {
    let app = TestApp::start().await;
    let (acme, rival) = (app.tenant("acme").await, app.tenant("rival").await);
    let theirs = globex(&rival).await;
    let gone = globex(&acme).await;
    acme.delete(&at(&gone)).await.no_content();
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    for id in [theirs["id"].clone(), gone["id"].clone(), json!(Uuid::nil())] {
        let fault = json!({"companyId": "No such company"});
        acme.post(CONTACTS, json!({"name": "Ada", "companyId": id})).await.invalid(&fault);
        acme.put(&contact_at(&contact), json!({"companyId": id})).await.invalid(&fault);
    }
    for (bad, fault) in [(json!(7), "Must be a string"), (json!("globex"), "Must be a UUID")] {
        let body = json!({"name": "Ada", "companyId": bad});
        acme.post(CONTACTS, body).await.invalid(&json!({"companyId": fault}));
    }
    let nobody = json!({"companyId": theirs["id"]});
    acme.put(&format!("{CONTACTS}/{}", Uuid::nil()), nobody).await.not_found("Contact not found");
}

#[tokio::test]
async fn the_text_follows_the_company_unless_it_is_ones_own() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let globex = globex(&acme).await;
    let hooli = acme.post(COMPANIES, json!({"name": "Hooli"})).await.created();
    let ada = member(&acme, &globex).await;
    for (patch, text, id) in [
        (json!({"companyId": hooli["id"]}), json!("Hooli"), &hooli["id"]),
        (json!({"company": "Hooli, Berlin"}), json!("Hooli, Berlin"), &hooli["id"]),
        (json!({"companyId": globex["id"]}), json!("Hooli, Berlin"), &globex["id"]),
        (json!({"company": null}), json!("Globex"), &globex["id"]),
        (json!({"companyId": null}), json!("Globex"), &Value::Null),
        (json!({"companyId": hooli["id"]}), json!("Globex"), &hooli["id"]),
        (json!({"companyId": null, "company": null}), Value::Null, &Value::Null),
        (json!({"companyId": hooli["id"]}), json!("Hooli"), &hooli["id"]),
    ] {
        let after = change(&acme, &ada, patch.clone()).await;
        assert_eq!(company_of(&after), (&text, id), "{patch}");
    }
    // Got, edited and sent back whole: the former company's name is no text of one's own.
    let mut whole = acme.get(&contact_at(&ada)).await.ok();
    whole["companyId"] = globex["id"].clone();
    let after = change(&acme, &ada, whole).await;
    assert_eq!(company_of(&after), (&json!("Globex"), &globex["id"]));
}

#[tokio::test]
async fn a_renamed_company_renames_its_contacts_and_their_versions_say_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    let (ada, deleted) = (member(&acme, &company).await, member(&acme, &company).await);
    let own = change(&acme, &member(&acme, &company).await, json!({"company": "My own"})).await;
    acme.delete(&contact_at(&deleted)).await.no_content();
    let seen = acme.get(&contact_at(&ada)).await.header("etag").to_owned();
    let before = app.announced().await.len();
    app.advance(TimeDelta::seconds(1));

    let renamed = acme.put(&at(&company), json!({"name": "Globex Corp"})).await.ok();

    let after = acme.get(&contact_at(&ada)).await.ok();
    assert_eq!(company_of(&after), (&json!("Globex Corp"), &company["id"]));
    assert_eq!((&after["version"], &after["updatedAt"]), (&json!(2), &renamed["updatedAt"]));
    assert_eq!(acme.get(&contact_at(&own)).await.ok(), own);
    let found = acme.get(&format!("{CONTACTS}?company=globex%20corp")).await.page().items;
    assert_eq!(found, [after]);
    let late = acme.request(Method::PUT, &contact_at(&ada)).header("if-match", seen);
    Answer::to(late.json(&json!({"name": "A"}))).await.problem(412, "PRECONDITION_FAILED");
    let back = acme.post(&format!("{}/restore", contact_at(&deleted)), json!({})).await.ok();
    assert_eq!(back["company"], "Globex Corp");
    assert_eq!(app.announced().await[before..], ["company.updated", "contact.created"]);
}

#[tokio::test]
async fn a_deleted_company_leaves_its_contacts_the_text_and_nothing_brings_the_link_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    let (ada, deleted) = (member(&acme, &company).await, member(&acme, &company).await);
    acme.delete(&contact_at(&deleted)).await.no_content();
    let before = app.announced().await.len();
    let seen = acme.get(&contact_at(&ada)).await.header("etag").to_owned();

    acme.delete(&at(&company)).await.no_content();

    let after = acme.get(&contact_at(&ada)).await.ok();
    assert_eq!(company_of(&after), (&json!("Globex"), &Value::Null));
    assert_eq!(after["version"], 2);
    let late = acme.request(Method::DELETE, &contact_at(&ada)).header("if-match", seen);
    Answer::to(late).await.problem(412, "PRECONDITION_FAILED");
    acme.post(&format!("{}/restore", at(&company)), json!({})).await.ok();
    let back = acme.post(&format!("{}/restore", contact_at(&deleted)), json!({})).await.ok();
    assert_eq!(company_of(&back), (&json!("Globex"), &Value::Null));
    assert_eq!(acme.get(&contact_at(&ada)).await.ok(), after);
    assert_eq!(
        app.announced().await[before..],
        ["company.deleted", "company.created", "contact.created"]
    );
}

#[tokio::test]
async fn nobody_joins_a_company_that_is_being_deleted() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    // The deletion is done and cannot commit yet; both that want to join must wait for it.
    let hold = app.database.hold("lock table outbox in exclusive mode").await;
    let join = async |step: i64, method: Method, path: &str| {
        app.database.waiting(step).await;
        let body = json!({"name": "Ada", "companyId": company["id"]});
        acme.call(method, path, Some(body)).await
    };
    let release = async {
        app.database.waiting(3).await;
        hold.release().await;
    };
    let (path, of_company) = (contact_at(&contact), at(&company));
    let (gone, created, updated, ()) = tokio::join!(
        acme.delete(&of_company),
        join(1, Method::POST, CONTACTS),
        join(1, Method::PUT, &path),
        release,
    );
    gone.no_content();
    created.invalid(&json!({"companyId": "No such company"}));
    updated.invalid(&json!({"companyId": "No such company"}));
}

#[tokio::test]
async fn expanding_shows_the_company_beside_its_id() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    let ada = member(&acme, &company).await;
    let bob = acme.post(CONTACTS, json!({"name": "Bob"})).await.created();
    let page = acme.get(&format!("{CONTACTS}?sort=name&expand=company")).await.page().items;
    assert_eq!((&page[0]["companyRecord"], &page[1]["companyRecord"]), (&company, &Value::Null));
    assert_eq!((&page[0]["id"], &page[1]["id"]), (&ada["id"], &bob["id"]));
    let one = acme.get(&format!("{}?expand=company", contact_at(&ada))).await.ok();
    assert_eq!(one["companyRecord"], company);
    assert!(acme.get(&contact_at(&ada)).await.ok().get("companyRecord").is_none());
    let limited = acme.with_scopes(&[Scope::ContactsRead]).await;
    let refused = limited.get(&format!("{CONTACTS}?expand=company")).await;
    assert_eq!(refused.problem(403, "INSUFFICIENT_SCOPE")["details"]["scope"], "companies:read");
}

#[tokio::test]
async fn the_contacts_of_a_company_may_take_longer_than_other_statements() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    member(&acme, &company).await;
    app.database
        .execute(
            "create function hurry() returns trigger language plpgsql as $$ begin
                 if current_setting('statement_timeout') <> '1min' then raise 'too little time'; end if;
                 return new;
             end $$;
             create trigger hurry before update on contacts for each row execute function hurry();",
        )
        .await;
    acme.put(&at(&company), json!({"name": "Globex Corp"})).await.ok();
    acme.delete(&at(&company)).await.no_content();
}
