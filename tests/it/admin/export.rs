//! `api admin tenant export`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use shared::id::TenantId;
use tests::kit::{CONTACTS, Database, SECRET_KEY, TestApp};
use tests::servers::Folder;
use uuid::Uuid;

use super::operator;
use crate::isolation::generator::{canary, plant, tables};

/// The lines of an export by table, and its manifest.
fn read(lines: &str) -> (BTreeMap<String, Vec<Value>>, Value) {
    let (mut rows, mut manifest) = (BTreeMap::<String, Vec<Value>>::new(), Value::Null);
    for line in lines.lines() {
        let mut line: Value = serde_json::from_str(line).expect(line);
        match line["table"].as_str().map(str::to_owned) {
            Some(table) => rows.entry(table).or_default().push(line["row"].take()),
            None => manifest = line["manifest"].take(),
        }
    }
    (rows, manifest)
}

#[tokio::test]
async fn an_export_holds_the_tenants_rows_of_every_table_and_nobody_elses() {
    let database = Database::migrated().await;
    let tables = tables(database.admin()).await;
    let [ours, theirs] = [0xa, 0xb].map(|id| TenantId(Uuid::from_u128(id)));
    for tenant in [ours, theirs] {
        plant(database.admin(), &tables, tenant).await;
    }
    let (operator, id) = (operator(&database), ours.to_string());
    let lines = operator.run(&["admin", "tenant", "export", "--tenant", &id]).await.success();
    let (rows, manifest) = read(&lines);
    assert!(!lines.contains(&theirs.to_string()) && lines.contains(&canary(ours)));
    for table in tables.iter().filter(|table| table.name != "outbox") {
        // That it has begun is in the audit log before anything leaves.
        let count = if table.name == "audit_log" { 2 } else { 1 };
        assert_eq!(manifest["tables"][&table.name], json!(count), "{}", table.name);
        assert_eq!(rows[&table.name].len(), count, "{}", table.name);
    }
    for secret in ["secret_enc", "headers_enc", "identity_enc", "hash", SECRET_KEY] {
        assert!(!lines.contains(&format!("\"{secret}\"")), "{secret}");
    }
}

#[tokio::test]
async fn a_folder_gets_a_file_for_each_table_that_nobody_else_may_read() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    acme.post(CONTACTS, json!({"name": "Ada \"\u{2028}Countess\" x"})).await;
    let (operator, id) = (operator(&app.database), acme.id.to_string());
    let folder = Folder::claim("export", None).unwrap();
    let to = folder.path().join("acme");
    let export = ["admin", "tenant", "export", "--tenant", &id, "--to", to.to_str().unwrap()];
    assert_eq!(operator.run(&export).await.success(), "", "results go to the folder");
    let contacts = fs::read_to_string(to.join("contacts.jsonl")).unwrap();
    let contact: Value = serde_json::from_str(contacts.trim_end()).unwrap();
    assert_eq!(contact["name"], "Ada \"\u{2028}Countess\" x");
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(to.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["tenantId"], &manifest["tables"]["contacts"]), (&json!(id), &json!(1)));
    let mode = |name: &str| fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("contacts.jsonl")), (0o700, 0o600));
    operator.run(&export).await.refused(&["File exists"]);
    let entry = &acme.get("/api/v1/audit-log?action=tenant.exported").await.page().items[0];
    assert_eq!(
        (&entry["actor"]["type"], &entry["after"]["contacts"]),
        (&json!("system"), &json!(1))
    );
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_an_export_quietly_and_what_it_was_given_is_in_the_audit_log()
{
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let sql = format!(
        "insert into contacts (tenant_id, id, name, created_at, updated_at)
         select '{}', gen_random_uuid(), repeat('x', 200), now(), now() from generate_series(1, 20000)",
        acme.id
    );
    app.database.execute(&sql).await;
    let line = format!(
        "{{ api admin tenant export --tenant {}; echo ended $? >&2; }} | head -n 1",
        acme.id
    );
    let ended = operator(&app.database).shell(&line).await;
    assert_eq!(ended.stderr, "ended 0\n", "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1);
    let entries = acme.get("/api/v1/audit-log").await.page().items;
    let is_export = |entry: &&Value| entry["action"].as_str().unwrap().contains("export");
    let exports: Vec<_> = entries.iter().filter(is_export).collect();
    assert_eq!(exports.len(), 1, "{exports:?}");
    assert_eq!(
        (&exports[0]["action"], &exports[0]["after"]),
        (&json!("tenant.export_begun"), &json!({"to": "stdout"}))
    );
}
