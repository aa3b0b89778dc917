//! Creating and showing.

use serde_json::{Value, json};
use tests::kit::{CONTACTS, START, TestApp};
use uuid::{Uuid, Version};

#[tokio::test]
async fn the_documents_own_sample_is_created_and_every_field_comes_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sample = json!({
        "name": "John Doe", "email": "john@example.com", "phone": "+1234567890", "company": "ACME Corp",
    });

    let answer = acme.post(CONTACTS, sample).await;

    let location = answer.header("location").to_owned();
    let contact = answer.created();
    assert_eq!(
        contact,
        json!({
            "id": contact["id"],
            "tenantId": acme.id,
            "name": "John Doe",
            "email": "john@example.com",
            "phone": "+1234567890",
            "phoneE164": "+1234567890",
            "company": "ACME Corp",
            "companyId": null,
            "externalId": null,
            "version": 1,
            "createdAt": START,
            "updatedAt": START,
        })
    );
    let id: Uuid = contact["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version(), Some(Version::SortRand));
    assert_eq!(location, format!("{CONTACTS}/{id}"));
    assert_eq!(acme.get(&location).await.ok(), contact);
}

#[tokio::test]
async fn a_contact_needs_only_a_name_and_what_is_not_known_is_null() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bodies = [
        json!({"name": "Ada"}),
        json!({"name": "Ada", "email": null, "phone": null, "company": null}),
    ];
    for body in bodies {
        let contact = acme.post(CONTACTS, body).await.created();
        for unknown in ["email", "phone", "phoneE164", "company"] {
            assert_eq!(contact.get(unknown), Some(&Value::Null), "{unknown}");
        }
    }
}

#[tokio::test]
async fn every_failing_field_is_named_at_once_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"email": "john", "phone": "call me", "company": " ", "nickname": "J", "Name": "John"});

    acme.post(CONTACTS, body).await.invalid(&json!({
        "name": "Is required",
        "email": "Invalid email format",
        "phone": "Invalid phone format",
        "company": "Must be 1 to 100 characters",
        "nickname": "Unknown field",
        "Name": "Unknown field",
    }));

    assert_eq!(acme.get(CONTACTS).await.page().pagination["total"], 0);
    assert_eq!(app.announced().await, [""; 0]);
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let long = "é".repeat(101);
    let cases = [
        ("name", json!(null), "Is required"),
        ("name", json!(""), "Must be 1 to 100 characters"),
        ("name", json!(" \t "), "Must be 1 to 100 characters"),
        ("name", json!(long), "Must be 1 to 100 characters"),
        ("name", json!("A\u{0}da"), "Must not contain NUL characters"),
        ("name", json!("A\nda"), "Must not contain control characters"),
        ("name", json!("A\u{7f}da"), "Must not contain control characters"),
        ("name", json!(5), "Must be a string"),
        ("name", json!(true), "Must be a string"),
        ("name", json!(["Ada"]), "Must be a string"),
        ("name", json!({"first": "Ada"}), "Must be a string"),
        ("email", json!(""), "Invalid email format"),
        ("email", json!("@example.com"), "Invalid email format"),
        ("email", json!("a b@example.com"), "Invalid email format"),
        ("email", json!(format!("{}@example.com", "a".repeat(250))), "Invalid email format"),
        ("email", json!("a\u{0}@example.com"), "Must not contain NUL characters"),
        ("email", json!(1.5), "Must be a string"),
        ("phone", json!(""), "Invalid phone format"),
        ("phone", json!("123456"), "Invalid phone format"),
        ("phone", json!("+1234567890123456"), "Invalid phone format"),
        ("phone", json!("++1234567"), "Invalid phone format"),
        ("phone", json!("1234567 ext 5"), "Invalid phone format"),
        ("phone", json!(1_234_567_890), "Must be a string"),
        ("company", json!(""), "Must be 1 to 100 characters"),
        ("company", json!(long), "Must be 1 to 100 characters"),
        ("company", json!("A\u{0}"), "Must not contain NUL characters"),
        ("company", json!(false), "Must be a string"),
    ];
    for (field, value, fault) in cases {
        let mut body = json!({"name": "Ada"});
        body[field] = value.clone();
        let answer = acme.post(CONTACTS, body).await;
        assert_eq!(answer.body["details"], json!({field: fault}), "{field} {value}");
        answer.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_name_is_trimmed_and_has_one_to_a_hundred_characters_of_any_script() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (one, hundred) = ("李", "🦀".repeat(100));
    for (given, kept) in [("  Ada Lovelace\t", "Ada Lovelace"), (one, one), (&hundred, &hundred)] {
        let contact = acme.post(CONTACTS, json!({"name": given, "company": given})).await.created();
        assert_eq!((&contact["name"], &contact["company"]), (&json!(kept), &json!(kept)));
    }
}

#[tokio::test]
async fn a_phone_is_kept_as_given_and_normalised_when_it_names_its_country() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let cases = [
        ("+44 20 7946-0958", json!("+442079460958")),
        ("+1 (212) 555.0100", json!("+12125550100")),
        ("(030) 123-4567", Value::Null),
        ("1234567", Value::Null),
        ("+123456789012345", json!("+123456789012345")),
    ];
    for (phone, e164) in cases {
        let contact = acme.post(CONTACTS, json!({"name": "Ada", "phone": phone})).await.created();
        assert_eq!((&contact["phone"], &contact["phoneE164"]), (&json!(phone), &e164));
    }
}

#[tokio::test]
async fn an_email_is_kept_as_given_and_need_not_be_unique() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for email in ["Ada@Example.com", "Ada@Example.com", "ada+crm@example.co.uk", "ada@localhost"] {
        let contact = acme.post(CONTACTS, json!({"name": "Ada", "email": email})).await.created();
        assert_eq!(contact["email"], email);
    }
}

#[tokio::test]
async fn members_that_only_the_api_sets_are_ignored() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let foreign = Uuid::nil();
    let contact = acme
        .post(
            CONTACTS,
            json!({
                "name": "Ada", "id": foreign, "tenantId": foreign, "version": 7, "phoneE164": "+999999999",
                "createdAt": "1999-01-01T00:00:00Z", "updatedAt": 5,
            }),
        )
        .await
        .created();
    assert_ne!(contact["id"], json!(foreign));
    assert_eq!(
        (&contact["tenantId"], &contact["version"], &contact["phoneE164"]),
        (&json!(acme.id), &json!(1), &Value::Null)
    );
    assert_eq!((&contact["createdAt"], &contact["updatedAt"]), (&json!(START), &json!(START)));
}

#[tokio::test]
async fn an_id_that_names_no_contact_is_not_found_whatever_it_looks_like() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let nobody = Uuid::nil().to_string();
    for id in [&*nobody, "contact-123", "1", "%F0%9F%A6%80", "%FF", "%00", "..%2F..%2Fetc", "null"]
    {
        let path = format!("{CONTACTS}/{id}");
        acme.get(&path).await.not_found("Contact not found");
        acme.put(&path, json!({"name": "Ada"})).await.not_found("Contact not found");
        acme.patch(&path, json!({})).await.not_found("Contact not found");
        acme.delete(&path).await.not_found("Contact not found");
        acme.post(&format!("{path}/restore"), json!({})).await.not_found("Contact not found");
    }
}
