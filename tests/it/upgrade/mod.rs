//! A database that has been there for long: filled by the versions before, brought up to date, and in use again.

use std::collections::BTreeSet;
use std::process::Command;

use api::auth::api_key;
use api::auth::opaque::OpaqueToken;
use serde_json::json;
use shared::db::migrate::MIGRATOR;
use shared::scope::Scope;
use shared::seal::Keyring;
use shared::settings::Value as _;
use sqlx::{Connection as _, PgConnection};
use tests::kit::{Answer, Call, Database, PEPPER, Program, Receiver, SECRET_KEY, binary, until};
use uuid::Uuid;

use crate::openapi::{document, operations, resolved};

/// What both webhooks of a tenant sign with.
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj";

/// What the rows are made for, and what its callers have kept.
struct Given {
    id: Uuid,
    hook: Uuid,
    key: String,
    former_key: String,
    refresh: String,
    receiver: Receiver,
}

/// Runs the migrations up to this one, as their owner does.
async fn migrate_to(session: &mut PgConnection, number: i64) {
    sqlx::raw_sql("set role crm_owner").execute(&mut *session).await.unwrap();
    MIGRATOR.run_direct(Some(number), &mut *session, false).await.unwrap();
    sqlx::raw_sql("reset role").execute(&mut *session).await.unwrap();
}

/// As webhooks had them before 0015: the secret alone.
fn sealed(tenant: Uuid, webhook: Uuid) -> Vec<u8> {
    let keyring = Keyring::parse(&format!("1:{SECRET_KEY}")).unwrap();
    let place = format!("{tenant}|{webhook}|webhooks.secret");
    keyring.seal(SECRET.as_bytes(), place.as_bytes()).unwrap()
}

/// Makes up a tenant and says so to the statements that follow.
async fn give(session: &mut PgConnection, name: &str) -> Given {
    let fresh = || shared::id::fresh(shared::Clock::system().now());
    let (id, hook, lined) = (fresh(), fresh(), fresh());
    let pepper = api_key::Pepper::parse(PEPPER).unwrap();
    let (key, former) = (api_key::generate(), api_key::generate());
    let refresh = OpaqueToken::generate("crt_");
    let receiver = Receiver::start().await;
    sqlx::query(
        "insert into given (name, tenant, owner, key_prefix, key_hash, former_prefix, former_hash, scopes, refresh_hash, url, hook,
                            hook_enc, lined, lined_enc)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(name)
    .bind(id)
    .bind(fresh())
    .bind(&key.prefix)
    .bind(pepper.hash(key.text.expose()))
    .bind(&former.prefix)
    .bind(pepper.hash(former.text.expose()))
    .bind(Scope::NAMES.iter().map(ToString::to_string).collect::<Vec<_>>())
    .bind(refresh.hash())
    .bind(receiver.url())
    .bind(hook)
    .bind(sealed(id, hook))
    .bind(lined)
    .bind(sealed(id, lined))
    .execute(session)
    .await
    .unwrap();
    let (key, former_key) = (key.text.expose().clone(), former.text.expose().clone());
    Given { id, hook, key, former_key, refresh: refresh.text().to_owned(), receiver }
}

/// Expects rows in every table that there is.
async fn nothing_is_empty(session: &mut PgConnection) {
    let empty: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c
         where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace
           and (xpath('//n/text()', query_to_xml(format('select count(*) as n from %s', c.oid::regclass), false, true, '')))[1]::text = '0'",
    )
    .fetch_all(session)
    .await
    .unwrap();
    assert!(empty.is_empty(), "{empty:?}");
}

/// A database as the versions before have left it.
async fn filled(database: &Database) -> [Given; 2] {
    let mut session = PgConnection::connect(&database.admin_url()).await.unwrap();
    sqlx::raw_sql(include_str!("../../../deploy/roles.sql")).execute(&mut session).await.unwrap();
    migrate_to(&mut session, 15).await;
    let given = "create temporary table given (name text, tenant uuid, owner uuid, key_prefix text, key_hash bytea,
        former_prefix text, former_hash bytea, scopes text[], refresh_hash bytea, url text, hook uuid, hook_enc bytea, lined uuid,
        lined_enc bytea)";
    sqlx::raw_sql(given).execute(&mut session).await.unwrap();
    let tenants = [give(&mut session, "acme").await, give(&mut session, "globex").await];
    sqlx::raw_sql(include_str!("before_0016.sql")).execute(&mut session).await.unwrap();
    nothing_is_empty(&mut session).await;
    migrate_to(&mut session, 23).await;
    sqlx::raw_sql(include_str!("before_0024.sql")).execute(&mut session).await.unwrap();
    nothing_is_empty(&mut session).await;
    tenants
}

/// Brings the schema up to date as operators do.
fn migrate(database: &Database) {
    let mut command = Command::new(binary("api"));
    let done = command.arg("migrate").env("MIGRATION_DATABASE_URL", database.admin_url()).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// How many rows the tenant has in this list: so many, or more where the worker adds some.
fn rows(list: &str) -> usize {
    match list {
        "/api/v1/connection/contacts" => 4,
        "/api/v1/webhooks/{id}/events" => 6,
        "/api/v1/webhooks" => 3,
        "/api/v1/audit-log"
        | "/api/v1/connection/activities"
        | "/api/v1/connection/contacts/imports"
        | "/api/v1/users" => 2,
        _ => 1,
    }
}

/// The routes that answer with a page.
fn lists() -> Vec<String> {
    let document = document();
    let all = operations(&document).into_iter().filter_map(|(name, operation)| {
        let path = name.strip_prefix("GET ")?;
        let answer = resolved(&document, &operation["responses"]["200"]);
        let schema = resolved(&document, &answer["content"]["application/json"]["schema"]);
        schema["properties"].get("pagination").map(|_| path.to_owned())
    });
    all.collect()
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A tenant's caller: its owner, whose session is from before.
struct Owner {
    api: String,
    token: String,
}

impl Owner {
    async fn sign_in(api: &Program, given: &Given) -> Self {
        let request = http().post(format!("{}/api/v1/auth/refresh", api.url()));
        let tokens = Answer::to(request.json(&json!({"refreshToken": given.refresh}))).await.ok();
        Self { api: api.url(), token: tokens["accessToken"].as_str().unwrap().to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        let request = http().get(format!("{}{path}", self.api));
        Answer::to(request.bearer_auth(&self.token)).await
    }
}

/// Expects the tenant's rows in every list, and what was under way at its end.
async fn is_all_there(database: &Database, owner: &Owner, given: &Given) {
    let about: (Uuid, Uuid, Uuid) = sqlx::query_as(
        "select c.id, c.company_id, l.id from contacts c join leads l on l.contact_id = c.id and l.deleted_at is null
         where c.tenant_id = $1",
    )
    .bind(given.id)
    .fetch_one(database.admin())
    .await
    .unwrap();
    let lists = lists();
    assert!(lists.len() > 20, "{lists:?}");
    for list in lists {
        let id = match list.split('/').rev().nth(2).unwrap() {
            "contacts" => about.0,
            "companies" => about.1,
            "leads" => about.2,
            _ => given.hook,
        };
        let page = owner.get(&list.replace("{id}", &id.to_string())).await.page();
        assert!(page.items.len() >= rows(&list), "{list}: {:#?}", page.items);
    }
    let events = owner.get("/api/v1/events").await.ok();
    let numbers = events["events"].as_array().unwrap().iter().map(|event| &event["sequence"]);
    assert!(numbers.take(4).eq(&[json!(1), json!(2), json!(3), json!(4)]), "{events:#}");

    let imports = owner.get("/api/v1/connection/contacts/imports").await.page().items;
    let import = imports.iter().find(|import| import["total"] == 3).unwrap();
    assert_eq!((&import["status"], &import["created"]), (&json!("completed"), &json!(3)));
    let replays = owner.get(&format!("/api/v1/webhooks/{}/replays", given.hook)).await.page().items;
    assert_eq!((&replays[0]["state"], &replays[0]["delivered"]), (&json!("completed"), &json!(1)));
    let erasures = owner.get("/api/v1/erasures").await.page().items;
    assert_eq!(erasures[0]["status"], "completed");
    let errors = "/api/v1/connection/contacts/imports/{id}/errors.csv";
    let former = imports.iter().find(|import| import["total"] == 1).unwrap();
    let errors = owner.get(&errors.replace("{id}", former["id"].as_str().unwrap())).await;
    assert_eq!(errors.status, 200);
    assert!(!errors.body.to_string().contains("charles"), "{:#}", errors.body);
}

fn names(calls: &[Call], path: &str) -> Vec<String> {
    let calls = calls.iter().filter(|call| call.path.ends_with(path));
    calls.map(|call| call.json()["data"]["name"].as_str().unwrap().to_owned()).collect()
}

/// Expects that everything pending came, signed, and what is in a line in its order.
async fn all_has_come(given: &Given) {
    let calls = given.receiver.wait_for(8).await;
    for call in &calls {
        call.assert_signed(SECRET);
    }
    let hook: BTreeSet<String> = names(&calls, "/hook").into_iter().collect();
    assert!(hook.iter().eq(["failed", "fresh", "leased", "parked", "relayed"]), "{hook:?}");
    assert_eq!(names(&calls, "/lined"), ["line 1", "line 2", "relayed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_every_version_has_written_to_is_brought_up_to_date_and_goes_on() {
    // Its passwords belong to the cluster.
    drop(Database::migrated().await);
    let database = Database::empty().await;
    let tenants = filled(&database).await;
    migrate(&database);
    let (api, worker) = (database.app_url(), database.worker_url());
    let (api, worker) = tokio::join!(Program::api(&api, &[]), Program::worker(&worker, &[]));
    for given in &tenants {
        all_has_come(given).await;
    }
    let left = "select (select count(*) from webhook_queue) + (select count(*) from outbox)
        + (select count(*) from imports where finished_at is null)
        + (select count(*) from webhook_replays where finished_at is null)
        + (select count(*) from erasures where finished_at is null)";
    until("nothing is under way", async || {
        sqlx::query_scalar::<_, i64>(left).fetch_one(database.admin()).await.unwrap() == 0
    })
    .await;
    for given in &tenants {
        let owner = Owner::sign_in(&api, given).await;
        is_all_there(&database, &owner, given).await;
        for key in [&given.key, &given.former_key] {
            let contacts = format!("{}/api/v1/connection/contacts", api.url());
            let request = http().get(contacts).header("x-api-key", key);
            assert_eq!(Answer::to(request).await.page().items.len(), 4);
        }
        assert_eq!(given.receiver.calls().len(), 8, "nothing comes twice");
    }
    let person = "select (select count(*) from audit_log where after::text ~* 'charles')
        + (select count(*) from activities where subject ~* 'charles')
        + (select count(*) from import_rows where input::text ~* 'charles')";
    let left: i64 = sqlx::query_scalar(person).fetch_one(database.admin()).await.unwrap();
    assert_eq!(left, 0, "{}", worker.last_lines());
}
