//! Tenants, users, API keys, webhooks and retention, one command after the other.

use serde_json::{Value, json};
use tests::kit::{Credential, TestApp};
use uuid::Uuid;

use super::{json, operator};

/// The newest entries of the audit log: what was done, by whom, with which beginning of a request id.
async fn audited(tenant: &tests::kit::Tenant, most: usize) -> Vec<(String, Value, bool)> {
    let page = tenant.get("/api/v1/audit-log").await.page();
    let entries = page.items.iter().take(most).map(|entry| {
        let of_admin = entry["requestId"].as_str().is_some_and(|id| id.starts_with("admin-"));
        (entry["action"].as_str().unwrap().to_owned(), entry["actor"]["type"].clone(), of_admin)
    });
    entries.collect()
}

#[tokio::test]
async fn tenants_are_listed_by_name_and_shown() {
    let app = TestApp::present().await;
    let (acme, _) = (app.tenant("Acme").await, app.tenant("Globex").await);
    acme.webhook("http://127.0.0.1:1/hook", &["*"]).await;
    let operator = operator(&app.database);
    assert_eq!(json(&operator, &["tenant", "list"]).await.as_array().unwrap().len(), 2);
    let table = operator.run(&["admin", "tenant", "list", "--name", "aCM"]).await.success();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("ID ") && lines[1].starts_with(&acme.id.to_string()), "{table}");
    let shown = json(&operator, &["tenant", "show", "--tenant", &acme.id.to_string()]).await;
    let figures = ["name", "users", "apiKeys", "webhooks", "unhealthyWebhooks"];
    assert_eq!(
        figures.map(|name| shown[name].clone()),
        [json!("Acme"), json!(1), json!(1), json!(1), json!(0)]
    );
}

#[tokio::test]
async fn a_user_gets_another_role_is_shut_out_and_let_in_again() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let (operator, tenant) = (operator(&app.database), acme.id.to_string());
    let new =
        ["user", "create", "--tenant", &tenant, "--email", "ada@acme.example", "--role", "member"];
    let user = json(&operator, &new).await["id"].as_str().unwrap().to_owned();
    let id = shared::id::UserId(user.parse().unwrap());
    let ada = acme.as_user(id).await;
    let change = async |verb: &str, more: &[&str]| {
        let base = ["user", verb, "--tenant", &tenant, "--user", &user];
        json(&operator, &[&base[..], more].concat()).await
    };
    assert_eq!(ada.get("/api/v1/audit-log").await.status, 403);
    assert_eq!(change("role", &["--role", "admin"]).await["role"], "admin");
    assert_eq!(ada.get("/api/v1/audit-log").await.status, 200);
    assert_eq!(change("deactivate", &[]).await["active"], json!(false));
    assert_eq!(ada.get("/api/v1/me").await.status, 401);
    assert_eq!(change("activate", &[]).await["active"], json!(true));
    assert_eq!(ada.get("/api/v1/me").await.status, 401);
    assert_eq!(acme.as_user(id).await.get("/api/v1/me").await.status, 200);
    let done = |action: &str| (action.to_owned(), json!("system"), true);
    let all = ["user.updated", "session.revoked", "user.updated", "user.updated"].map(done);
    assert_eq!(audited(&acme, 4).await, all);
    assert_eq!(
        json(&operator, &["user", "list", "--tenant", &tenant]).await.as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn the_last_owner_keeps_the_role() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let (operator, tenant, owner) =
        (operator(&app.database), acme.id.to_string(), acme.owner.to_string());
    let of_owner = ["--tenant", &tenant, "--user", &owner];
    for (verb, more) in [("deactivate", &[][..]), ("role", &["--role", "admin"][..])] {
        let arguments = [&["admin", "user", verb], &of_owner[..], more].concat();
        operator.run(&arguments).await.refused(&["no other active owner"]);
    }
    let new =
        ["user", "create", "--tenant", &tenant, "--email", "ada@acme.example", "--role", "owner"];
    json(&operator, &new).await;
    operator.run(&[&["admin", "user", "deactivate"], &of_owner[..]].concat()).await.success();
}

#[tokio::test]
async fn an_api_key_is_made_rotated_and_revoked_by_the_apis_own_rules() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let (operator, tenant) = (operator(&app.database), acme.id.to_string());
    let create = ["api-key", "create", "--tenant", &tenant, "--name", "Export"];
    let made = json(&operator, &[&create[..], &["--scopes", "contacts:read"]].concat()).await;
    let call = async |key: &Value| {
        let key = Credential::ApiKey(key.as_str().unwrap().to_owned());
        acme.with(key).get("/api/v1/connection/contacts").await.status.as_u16()
    };
    assert_eq!(call(&made["key"]).await, 200);
    let wrong =
        [&["admin"], &create[..], &["--scopes", "contacts:reed", "--expires-at", "soon"]].concat();
    operator.run(&wrong).await.refused(&["Validation failed", "- expiresAt: ", "- scopes"]);

    let id = made["id"].as_str().unwrap();
    let one = ["--tenant", &tenant, "--key", id];
    let rotated =
        json(&operator, &[&["api-key", "rotate"], &one[..], &["--overlap", "0s"]].concat()).await;
    // The api of this test has a clock of its own.
    app.advance(chrono::TimeDelta::minutes(5));
    assert_eq!((call(&rotated["key"]).await, call(&made["key"]).await), (200, 401));
    operator.run(&[&["admin", "api-key", "revoke"], &one[..]].concat()).await.success();
    assert_eq!(call(&rotated["key"]).await, 401);
    let again = operator.run(&[&["admin", "api-key", "revoke"], &one[..]].concat()).await;
    again.refused(&["API key not found"]);
    let actions: Vec<_> = audited(&acme, 3).await;
    let names: Vec<_> = actions.iter().map(|(action, ..)| action.as_str()).collect();
    assert_eq!(names, ["api_key.deleted", "api_key.rotated", "api_key.created"]);
    assert!(actions.iter().all(|(_, actor, of_admin)| actor == "system" && *of_admin));
}

#[tokio::test]
async fn a_webhook_is_switched_tested_and_its_health_is_shown() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.created"]).await;
    let (operator, tenant, id) =
        (operator(&app.database), acme.id.to_string(), subscriber.id.to_string());
    let of = |verb| ["webhook", verb, "--tenant", &*tenant, "--webhook", &*id];
    assert_eq!(json(&operator, &of("disable")).await["active"], json!(false));
    let refused = operator.run(&[&["admin"], &of("test")[..]].concat()).await;
    refused.refused(&["The webhook is off"]);
    assert_eq!(json(&operator, &of("enable")).await["active"], json!(true));
    let sent = json(&operator, &of("test")).await;
    assert_eq!((&sent["event"], &sent["trigger"]), (&json!("contact.created"), &json!("test")));
    let health = json(&operator, &of("show")).await;
    assert_eq!((&health["health"], &health["pending"]["count"]), (&json!("healthy"), &json!(1)));
    let listed = json(&operator, &["webhook", "list", "--tenant", &tenant]).await;
    assert_eq!(listed[0]["id"], json!(id));
    let list = ["webhook", "list", "--tenant", &tenant, "--unhealthy"];
    assert_eq!(json(&operator, &list).await, json!([]));
}

#[tokio::test]
async fn retention_is_shown_for_all_and_set_for_one_and_its_tenant_hears_of_it() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    app.tenant("globex").await;
    let (operator, tenant) = (operator(&app.database), acme.id.to_string());
    json(&operator, &["retention", "set", "--tenant", &tenant, "--days", "7"]).await;
    let all = json(&operator, &["retention", "show"]).await;
    let rows = all.as_array().unwrap().iter();
    let mut days: Vec<_> = rows.map(|row| row["eventRetentionDays"].as_i64()).collect();
    // Both were created at the same moment.
    days.sort_unstable();
    assert_eq!(days, [Some(7), Some(30)]);
    assert_eq!(app.announced().await, ["tenant.settings.updated"]);
    let wrong =
        operator.run(&["admin", "retention", "set", "--tenant", &tenant, "--days", "91"]).await;
    wrong.refused(&["- eventRetentionDays: "]);
}

#[tokio::test]
async fn wrong_ids_are_refused_by_name() {
    let app = TestApp::present().await;
    let tenant = app.tenant("acme").await.id.to_string();
    let operator = operator(&app.database);
    let stranger = Uuid::from_u128(7).to_string();
    let run = async |arguments: &[&str]| operator.run(&[&["admin"], arguments].concat()).await;
    let no_tenant = run(&["user", "list", "--tenant", &stranger]).await;
    no_tenant.refused(&["no such tenant"]);
    run(&["user", "role", "--tenant", &tenant, "--user", &stranger, "--role", "admin"])
        .await
        .refused(&["User not found"]);
    run(&["webhook", "show", "--tenant", &tenant, "--webhook", &stranger])
        .await
        .refused(&["Webhook not found"]);
    for wrong in [&["user", "list", "--tenant", "acme"][..], &["tenant", "erase"], &["tenants"]] {
        let ended = run(wrong).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains("--help"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_list_longer_than_a_page_is_whole() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let sql = format!(
        "insert into users (tenant_id, id, email, name, role, created_at, updated_at)
         select '{}', gen_random_uuid(), n || '@acme.example', 'x', 'member', now(), now() from generate_series(1, 250) n",
        acme.id
    );
    app.database.execute(&sql).await;
    let list = ["user", "list", "--tenant", &acme.id.to_string()];
    let users = json(&operator(&app.database), &list).await;
    assert_eq!(users.as_array().unwrap().len(), 251);
}

#[tokio::test]
async fn a_fault_of_a_route_is_told_with_its_causes() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    app.database.execute("alter table webhooks rename column description to gone").await;
    let list = ["admin", "webhook", "list", "--tenant", &acme.id.to_string()];
    let refused = operator(&app.database).run(&list).await;
    refused.refused(&["Internal server error: ", "column", "does not exist"]);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let app = TestApp::present().await;
    let ended =
        operator(&app.database).shell("{ api admin tenant list; echo ended $? >&2; } | true").await;
    assert_eq!(ended.stderr, "ended 0\n", "{ended:?}");
}

#[tokio::test]
async fn a_busy_tenant_gets_limits_of_its_own_while_it_writes() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    // As every row that is being inserted does.
    let hold = app.database.hold("select from tenants for key share").await;
    let keys = app.database.hold("select from api_keys for key share").await;
    let (operator, tenant) = (operator(&app.database), acme.id.to_string());
    let key = acme.any("api_keys").await.to_string();
    for of in [&["--tenant", &*tenant][..], &["--tenant", &tenant, "--key", &key]] {
        let limit = ["--class", "write", "--limit", "10/1m"];
        let set = [&["admin", "tenant", "limits"], of, &limit[..]].concat();
        operator.run(&set).await.success();
    }
    hold.release().await;
    keys.release().await;
}
