//! What becomes of rows: modes, matching, uniqueness, events.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, TestApp};

use super::{counts, csv, import, named, people, total};
use crate::contacts::at as contact_at;

#[tokio::test]
async fn upsert_changes_what_matches_in_any_case_and_creates_the_rest() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ada = json!({"name": "Ada", "email": "Ada@Example.com", "phone": "+1234567890", "company": "ACME"});
    let ada = acme.post(CONTACTS, ada).await.created();
    app.advance(TimeDelta::seconds(1));
    let rows = json!([
        {"email": "ada@EXAMPLE.com", "phone": null, "company": "Engines"},
        {"name": "Bob", "email": "bob@example.com"},
        {"name": "Ada", "email": "Ada@Example.com"},
        {"email": "carol@example.com"},
        {"name": "Dan"},
    ]);
    let import = import(&acme, "?mode=upsert", rows).await.ok();
    assert_eq!(counts(&import), [1, 2, 0, 2]);
    let after = acme.get(&contact_at(&ada)).await.ok();
    assert_eq!((&after["phone"], &after["company"]), (&json!(null), &json!("Engines")));
    assert_eq!((&after["email"], &after["version"]), (&json!("Ada@Example.com"), &json!(3)));
    let details = |at: usize| import["errors"][at]["details"].clone();
    assert_eq!(details(0), json!({"name": "Is required"}));
    assert_eq!(details(1), json!({"email": "Is required to match by"}));
    let names: Vec<_> = app.announced().await;
    assert_eq!(names, ["contact.created", "contact.updated", "contact.created", "contact.updated"]);
    // The same once more changes nothing, and an empty cell says nothing.
    let again = csv(
        &acme,
        "?mode=upsert",
        "name,email,company\nBob,bob@example.com,\nAda,ada@example.com,\n",
    )
    .await
    .ok();
    assert_eq!(counts(&again), [0, 1, 1, 0], "{again:#}");
    assert_eq!(acme.get(&contact_at(&ada)).await.ok()["company"], "Engines");
}

#[tokio::test]
async fn skip_passes_over_what_is_there_and_rows_of_one_file_see_each_other() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let row = |name: &str, id: &str| json!({"name": name, "externalId": id});
    let rows = json!([row("Ada", "1"), row("Ada again", "1"), row("Bob", "2")]);
    let first = import(&acme, "?mode=skip&matchBy=externalId", rows.clone()).await.ok();
    assert_eq!(counts(&first), [2, 0, 1, 0]);
    let second = import(&acme, "?mode=skip&matchBy=externalId", rows.clone()).await.ok();
    assert_eq!(counts(&second), [0, 0, 3, 0]);
    let changed = import(&acme, "?mode=upsert&matchBy=externalId", rows).await.ok();
    assert_eq!(counts(&changed), [0, 1, 2, 0], "{changed:#}");
    assert_eq!(named(&acme, "Ada again").await["version"], 2);
}

#[tokio::test]
async fn what_must_be_unique_fails_the_row_that_breaks_it_and_names_who_has_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ada = json!({"name": "Ada", "email": "ada@example.com", "externalId": "1"});
    let ada = acme.post(CONTACTS, ada).await.created();
    let rows = json!([
        {"name": "Bob", "externalId": "1"},
        {"name": "Carol", "externalId": "2", "email": "ADA@example.com"},
        {"name": "Dan", "externalId": "2"},
    ]);
    let free = import(&acme, "", rows.clone()).await.ok();
    assert_eq!(counts(&free), [1, 0, 0, 2]);
    assert_eq!(
        free["errors"][0]["details"],
        json!({"externalId": "Another contact has this external id", "existingId": ada["id"]})
    );
    assert_eq!(free["errors"][1]["code"], "CONFLICT");

    let other = app.tenant("other").await;
    sqlx::query("update tenants set unique_contact_emails = true where id = $1")
        .bind(other.id.0)
        .execute(app.database.admin())
        .await
        .unwrap();
    let rows = json!([
        {"name": "Ada", "email": "ada@example.com"},
        {"name": "Bob", "email": "ADA@EXAMPLE.COM"},
        {"name": "Carol", "email": "carol@example.com"},
    ]);
    let ruled = import(&other, "", rows).await.ok();
    assert_eq!(counts(&ruled), [2, 0, 0, 1]);
    assert_eq!(ruled["errors"][0]["details"]["email"], "Another contact has this e-mail address");
    // Two may swap, because rows are applied in their order.
    let (a, b, c) = ("a@example.com", "b@example.com", "c@example.com");
    let rows = json!([
        {"name": "One", "email": a, "externalId": "1"}, {"name": "Two", "email": b, "externalId": "2"},
    ]);
    import(&other, "", rows).await.ok();
    let rows = json!([
        {"externalId": "1", "email": c}, {"externalId": "2", "email": a}, {"externalId": "1", "email": b},
    ]);
    let swapped = import(&other, "?mode=upsert&matchBy=externalId", rows).await.ok();
    assert_eq!(counts(&swapped), [0, 3, 0, 0], "{swapped:#}");
    assert_eq!(named(&other, "One").await["email"], b);
    assert_eq!(named(&other, "Two").await["email"], a);
}

#[tokio::test]
async fn a_row_that_matches_more_than_one_contact_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for _ in 0..3 {
        acme.post(CONTACTS, json!({"name": "Ada", "email": "ada@example.com"})).await.created();
    }
    let rows = json!([{"name": "Ada", "email": "ADA@example.com"}]);
    for mode in ["upsert", "skip"] {
        let import = import(&acme, &format!("?mode={mode}"), rows.clone()).await.ok();
        assert_eq!(counts(&import), [0, 0, 0, 1]);
        assert_eq!(
            import["errors"][0]["details"],
            json!({"email": "Matches more than one contact"})
        );
    }
}

#[tokio::test]
async fn a_company_gives_its_name_to_the_contacts_that_are_imported_into_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company =
        acme.post("/api/v1/connection/companies", json!({"name": "Engines"})).await.created();
    let rows = json!([{"name": "Ada", "companyId": company["id"]}]);
    import(&acme, "", rows).await.ok();
    let ada = named(&acme, "Ada").await;
    assert_eq!((&ada["company"], &ada["companyId"]), (&json!("Engines"), &company["id"]));
    let other = app.tenant("other").await;
    let rows = json!([{"name": "Ada", "companyId": company["id"]}]);
    let foreign = import(&other, "", rows).await.ok();
    assert_eq!(foreign["errors"][0]["details"], json!({"companyId": "No such company"}));
}

#[tokio::test]
async fn silenced_imports_announce_nothing_and_are_audited_all_the_same() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    import(&acme, "?events=false", people(3)).await.ok();
    assert_eq!(app.announced().await, [""; 0]);
    let audited: Vec<String> = sqlx::query_scalar("select action from audit_log order by action")
        .fetch_all(app.database.admin())
        .await
        .unwrap();
    assert_eq!(
        audited,
        [
            "contact.created",
            "contact.created",
            "contact.created",
            "import.created",
            "tenant.created"
        ]
    );
}

#[tokio::test]
async fn a_row_without_what_it_is_matched_by_tells_what_else_is_wrong() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let row = json!([{"email": "nowhere", "phone": "1", "age": 5}]);
    let told = |import: Value| import["errors"][0]["details"].clone();
    let matched = told(import(&acme, "?mode=upsert&matchBy=externalId", row).await.ok());
    let wrong = json!({
        "externalId": "Is required to match by",
        "email": "Invalid email format",
        "phone": "Invalid phone format",
        "age": "Unknown field",
    });
    assert_eq!(matched, wrong);
}

#[tokio::test]
async fn a_dry_run_tells_everything_and_keeps_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut rows = people(3);
    rows[1]["email"] = json!("nowhere");
    let answer = import(&acme, "?dryRun=true", rows).await;
    assert_eq!(answer.body["metadata"]["dryRun"], true);
    assert_eq!(answer.body["metadata"]["events"], json!(["contact.created", "contact.created"]));
    let import = answer.ok();
    assert_eq!((counts(&import), &import["dryRun"]), ([2, 0, 0, 1], &json!(true)));
    assert_eq!((total(&acme).await, app.announced().await.len()), (0, 0));
    acme.get(&super::at(&import)).await.not_found("Import not found");
}

#[tokio::test]
async fn an_atomic_import_takes_all_rows_or_none() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut rows = people(3);
    import(&acme, "?atomic=true", rows.clone()).await.ok();
    assert_eq!((total(&acme).await, app.announced().await.len()), (3, 3));
    rows[2] = json!({"name": "Nobody", "companyId": "nobody"});
    for rows in [rows, json!([{"name": "A", "externalId": "1"}, {"name": "B", "externalId": "1"}])]
    {
        let failed = import(&acme, "?atomic=true", rows).await.ok();
        assert_eq!((&failed["status"], counts(&failed)), (&json!("failed"), [0, 0, 0, 1]));
        assert_eq!(failed["error"], "Nothing was imported, because rows failed");
        assert_eq!(failed["errors"].as_array().unwrap().len(), 1);
    }
    assert_eq!((total(&acme).await, app.announced().await.len()), (3, 3));
}

#[tokio::test]
async fn two_imports_at_once_that_bring_the_same_contacts_make_each_of_them_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (one, two) = tokio::join!(
        import(&acme, "?mode=upsert", people(400)),
        import(&acme, "?mode=upsert", people(400)),
    );
    let (one, two) = (counts(&one.ok()), counts(&two.ok()));
    assert_eq!([one[0] + two[0], one[2] + two[2]], [400, 400], "{one:?} {two:?}");
    assert_eq!(total(&acme).await, 400);
}
