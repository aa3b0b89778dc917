//! A tenant's settings, and the rule about contacts that one of them makes.

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::Role;
use tests::kit::{Answer, CONTACTS, START, Tenant, TestApp};

use crate::contacts::at;

const SETTINGS: &str = "/api/v1/tenant/settings";
const IMPORT: &str = "/api/v1/connection/contacts/import";

async fn unique_emails(tenant: &Tenant, on: bool) -> Answer {
    tenant.put(SETTINGS, json!({"uniqueContactEmails": on})).await
}

#[tokio::test]
async fn a_new_tenant_has_settings_that_work() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(
        acme.get(SETTINGS).await.ok(),
        json!({
            "tenantId": acme.id, "name": "acme", "currency": "USD", "timezone": "UTC", "locale": "en-US",
            "uniqueContactEmails": false, "qrLoginAllowed": true, "qrSameNetworkRequired": false,
            "eventRetentionDays": 30, "version": 1, "createdAt": START, "updatedAt": START,
        })
    );
}

#[tokio::test]
async fn a_change_reaches_the_subscriber_with_what_was_before() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["tenant.settings.updated"]).await;
    app.advance(TimeDelta::seconds(1));
    let change = json!({"currency": "EUR", "timezone": "Europe/Berlin", "qrLoginAllowed": false, "locale": "en-US"});

    let after = acme.put(SETTINGS, change.clone()).await.ok();
    acme.put(SETTINGS, change).await.ok();
    assert_eq!(app.worker().drain().await.unwrap(), 1);

    assert_eq!((&after["currency"], &after["version"]), (&json!("EUR"), &json!(2)));
    assert_eq!(after["updatedAt"], "2026-01-02T03:04:06.678Z");
    assert_eq!(acme.get(SETTINGS).await.ok(), after);
    let call = subscriber.receiver.only_call();
    call.assert_signed(&subscriber.secret);
    let mut sent = call.json();
    assert_eq!(sent["event"], "tenant.settings.updated");
    let previous = sent["data"].as_object_mut().unwrap().remove("previous").unwrap();
    assert_eq!(previous, json!({"currency": "USD", "timezone": "UTC", "qrLoginAllowed": true}));
    assert_eq!(sent["data"], after);
}

#[tokio::test]
async fn every_failing_field_is_named_and_none_can_be_cleared() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let before = acme.get(SETTINGS).await.ok();
    acme.put(
        SETTINGS,
        json!({"name": " ", "currency": "usd", "timezone": "Berlin", "locale": "en_US",
               "uniqueContactEmails": "yes", "qrLoginAllowed": null, "rateLimit": 1000}),
    )
    .await
    .invalid(&json!({
        "name": "Must be 1 to 100 characters",
        "currency": "Must be a currency code of ISO 4217, such as EUR",
        "timezone": "Must be a time zone of the IANA database, such as Europe/Berlin",
        "locale": "Must be a language tag such as en, en-US or zh-Hant-TW",
        "uniqueContactEmails": "Must be true or false",
        "qrLoginAllowed": "Must not be null",
        "rateLimit": "Unknown field",
    }));
    assert_eq!(acme.put(SETTINGS, before.clone()).await.ok(), before);
    assert_eq!(acme.get(SETTINGS).await.ok(), before);
}

#[tokio::test]
async fn two_editors_do_not_overwrite_each_other_unseen() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let seen = acme.get(SETTINGS).await.header("etag").to_owned();
    acme.patch(SETTINGS, json!({"currency": "EUR"})).await.ok();
    let late = acme.request(Method::PATCH, SETTINGS).header("if-match", seen);
    let refused = Answer::to(late.json(&json!({"currency": "CHF"}))).await;
    assert_eq!(refused.problem(412, "PRECONDITION_FAILED")["details"]["version"], "2");
}

#[tokio::test]
async fn members_read_settings_and_admins_change_them() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for role in [Role::Member, Role::ReadOnly] {
        let caller = acme.with_role(role).await;
        caller.get(SETTINGS).await.ok();
        caller.put(SETTINGS, json!({"name": "Mine"})).await.problem(403, "INSUFFICIENT_SCOPE");
    }
    acme.with_role(Role::Admin).await.put(SETTINGS, json!({"name": "Mine"})).await.ok();
}

#[tokio::test]
async fn when_addresses_shall_be_unique_the_second_contact_is_told_who_has_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let globex = app.tenant("globex").await;
    unique_emails(&acme, true).await.ok();
    let ada = json!({"name": "Ada", "email": "Ada@Example.com"});
    let first = acme.post(CONTACTS, ada.clone()).await.created();
    let taken = |answer: Answer| {
        let body = answer.problem(409, "CONFLICT");
        assert_eq!(body["error"], "Another contact has this e-mail address");
        assert_eq!(body["details"]["existingId"], first["id"]);
        body["details"]["email"].clone()
    };
    let again = json!({"name": "Other", "email": "ada@EXAMPLE.com"});
    assert_eq!(taken(acme.post(CONTACTS, again.clone()).await), "ada@EXAMPLE.com");
    let other = acme.post(CONTACTS, json!({"name": "Other"})).await.created();
    taken(acme.put(&at(&other), again.clone()).await);
    taken(acme.post(&format!("{CONTACTS}?dryRun=true"), again.clone()).await);
    // One's own address is no hindrance, nor another tenant's.
    acme.put(&at(&first), json!({"email": "ADA@example.com"})).await.ok();
    acme.put(&at(&first), json!({"name": "Ada L."})).await.ok();
    globex.post(CONTACTS, ada.clone()).await.created();
    globex.post(CONTACTS, ada).await.created();
    // A deleted contact's address is free, and cannot come back while another has it.
    acme.delete(&at(&first)).await.no_content();
    let heir = acme.put(&at(&other), again).await.ok();
    let back = acme.post(&format!("{}/restore", at(&first)), json!({})).await;
    assert_eq!(back.problem(409, "CONFLICT")["details"]["existingId"], heir["id"]);
    unique_emails(&acme, false).await.ok();
    acme.post(&format!("{}/restore", at(&first)), json!({})).await.ok();
}

#[tokio::test]
async fn addresses_that_are_shared_already_are_counted_and_nothing_is_switched() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for email in [
        "a@example.com",
        "A@example.com",
        "b@example.com",
        "b@example.com",
        "b@EXAMPLE.com",
        "c@example.com",
    ] {
        acme.post(CONTACTS, json!({"name": "A", "email": email})).await.created();
    }
    let body = unique_emails(&acme, true).await.problem(409, "CONFLICT");
    assert_eq!(
        body["details"],
        json!({"uniqueContactEmails": "5 contacts share 2 e-mail addresses", "sharedEmails": "2", "contacts": "5"})
    );
    assert_eq!(acme.get(SETTINGS).await.ok()["uniqueContactEmails"], false);
    for contact in
        acme.get(&format!("{CONTACTS}?email[in]=a@example.com,b@example.com")).await.page().items
    {
        acme.put(&at(&contact), json!({"email": null})).await.ok();
    }
    unique_emails(&acme, true).await.ok();
}

#[tokio::test]
async fn of_many_contacts_with_one_address_at_once_one_is_created() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    unique_emails(&acme, true).await.ok();
    // All of them stand at the row of their tenant before any may go on.
    let hold = app.database.hold("select from tenants for update").await;
    let body = json!({"name": "Ada", "email": "ada@example.com"});
    let create = || acme.post(CONTACTS, body.clone());
    let release = async {
        app.database.waiting(5).await;
        hold.release().await;
    };
    let (answers, ()) = tokio::join!(join_all((0..5).map(|_| create())), release);
    let (won, lost): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((won.len(), lost.len()), (1, 4));
    let winner = &won[0].body["data"]["id"];
    for answer in lost {
        assert_eq!(&answer.problem(409, "CONFLICT")["details"]["existingId"], winner);
    }
}

#[tokio::test]
async fn a_contact_under_way_is_counted_before_the_rule_holds() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let ada = json!({"name": "Ada", "email": "ada@example.com"});
    acme.post(CONTACTS, ada.clone()).await.created();
    let grace = acme.post(CONTACTS, json!({"name": "Grace"})).await.created();
    // Written and not committed yet: the switch has to wait for it. Not a creation, whose statement locks all its
    // tables before it writes anything.
    let hold = app.database.hold("lock table outbox in exclusive mode").await;
    let release = async {
        app.database.waiting(2).await;
        hold.release().await;
    };
    let second = async { acme.put(&at(&grace), json!({"email": ada["email"]})).await };
    let switch = async {
        app.database.waiting(1).await;
        unique_emails(&acme, true).await
    };
    let (second, switched, ()) = tokio::join!(second, switch, release);
    second.ok();
    assert_eq!(switched.problem(409, "CONFLICT")["details"]["contacts"], "2");
}

#[tokio::test]
async fn an_import_under_way_is_counted_before_the_rule_holds() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let ada = json!({"name": "Ada", "email": "ada@example.com"});
    let hold = app.database.hold("lock table outbox in exclusive mode").await;
    let release = async {
        app.database.waiting(2).await;
        hold.release().await;
    };
    let import = acme.post(IMPORT, json!({"contacts": [ada, ada]}));
    let switch = async {
        app.database.waiting(1).await;
        unique_emails(&acme, true).await
    };
    let (import, switched, ()) = tokio::join!(import, switch, release);
    assert_eq!(import.ok()["created"], 2);
    assert_eq!(switched.problem(409, "CONFLICT")["details"]["contacts"], "2");
}

#[tokio::test]
async fn an_import_goes_by_the_rule_that_is_being_switched_on() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let ada = json!({"name": "Ada", "email": "ada@example.com"});
    // The rule is written and cannot commit yet; the import has to wait for it.
    let hold = app.database.hold("lock table audit_log in exclusive mode").await;
    let release = async {
        app.database.waiting(2).await;
        hold.release().await;
    };
    let switch = unique_emails(&acme, true);
    let import = async {
        app.database.waiting(1).await;
        acme.post(IMPORT, json!({"contacts": [ada, ada]})).await
    };
    let (switched, import, ()) = tokio::join!(switch, import, release);
    switched.ok();
    let import = import.ok();
    assert_eq!((&import["created"], &import["failed"]), (&json!(1), &json!(1)), "{import:#}");
}

#[tokio::test]
async fn an_external_id_belongs_to_one_contact_and_says_to_whom() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let globex = app.tenant("globex").await;
    let ada = json!({"name": "Ada", "externalId": " crm-7 "});
    let first = acme.post(CONTACTS, ada.clone()).await.created();
    assert_eq!(first["externalId"], "crm-7");
    assert_eq!(
        acme.get(&format!("{CONTACTS}?externalId=crm-7")).await.page().items,
        std::slice::from_ref(&first)
    );
    globex.post(CONTACTS, ada.clone()).await.created();
    let other = acme.post(CONTACTS, json!({"name": "B", "externalId": "CRM-7"})).await.created();
    for answer in [
        acme.post(CONTACTS, ada).await,
        acme.put(&at(&other), json!({"externalId": "crm-7"})).await,
    ] {
        let body = answer.problem(409, "CONFLICT");
        assert_eq!(body["error"], "Another contact has this external id");
        assert_eq!(body["details"], json!({"externalId": "crm-7", "existingId": first["id"]}));
    }
    acme.put(&at(&first), json!({"externalId": null})).await.ok();
    acme.put(&at(&other), json!({"externalId": "crm-7"})).await.ok();
    for (bad, fault) in [
        (json!(""), "Must be 1 to 100 characters"),
        (json!("x".repeat(101)), "Must be 1 to 100 characters"),
        (json!(7), "Must be a string"),
    ] {
        let body = json!({"name": "A", "externalId": bad});
        acme.post(CONTACTS, body).await.invalid(&json!({"externalId": fault}));
    }
    assert_eq!(Value::Null, acme.get(&at(&first)).await.ok()["externalId"]);
}
