//! What api and worker refuse to serve with: exit code 1, and a message that says what to do.

use serde_json::json;
use tests::kit::{CONTACTS, Database, Nobody, Program, TestApp, until};

use super::process::{Environment, closed_database};

/// A database on which a superuser has just done something foolish.
async fn spoilt(sql: &str) -> Database {
    let database = Database::migrated().await;
    database.execute(sql).await;
    database
}

#[tokio::test]
async fn a_superuser_is_refused() {
    let database = Database::migrated().await;
    let ended = Environment::with_url(&database.admin_url()).run(&["serve"]).await;
    ended.refused(&["refusing to start", "is a superuser", "connect as crm_app"]);
}

#[tokio::test]
async fn a_database_that_takes_no_changes_is_refused_and_whoever_runs_is_not_ready() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let url = app.database.app_url();
    let api = Program::api(&url, &[]).await;
    app.database
        .execute(
            "do $$ begin
                 execute format('alter database %I set default_transaction_read_only = on', current_database());
                 perform pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid();
             end $$",
        )
        .await;
    let said = "the database takes no changes: it is a standby, or read-only";
    until("the api says so", async || api.admin("/readyz").await == (503, said.to_owned())).await;
    let there = acme.through(api.url());
    there.post(CONTACTS, json!({"name": "Ada"})).await.problem(503, "SERVICE_UNAVAILABLE");
    let ended = Environment::with_url(&url).run(&["serve"]).await;
    ended.refused(&["refusing to start", "connect to the primary"]);
}

#[tokio::test]
async fn a_login_that_bypasses_row_security_is_refused() {
    let database = Database::migrated().await;
    let login = database.login("bypassrls").await;
    let ended = Environment::with_url(&login.url).run(&["serve"]).await;
    ended.refused(&["refusing to start", &login.name, "has BYPASSRLS", "connect as crm_app"]);
}

#[tokio::test]
async fn the_owner_of_a_table_is_refused() {
    let database = Database::migrated().await;
    let login = database.login("").await;
    database.execute(&format!("alter table contacts owner to {}", login.name)).await;
    let ended = Environment::with_url(&login.url).run(&["serve"]).await;
    ended.refused(&["refusing to start", &login.name, "owns tables", "connect as crm_app"]);
}

#[tokio::test]
async fn the_other_process_login_is_refused() {
    let database = Database::migrated().await;
    let ended = Environment::with_url(&database.worker_url()).run(&["serve"]).await;
    ended.refused(&["refusing to start", "connect as crm_app"]);
    let ended = Environment::of_worker(&database.app_url()).run_worker(&[]).await;
    ended.refused(&["refusing to start", "connect as crm_worker"]);
}

#[tokio::test]
async fn the_worker_refuses_what_the_api_refuses() {
    let database = Database::migrated().await;
    let ended = Environment::of_worker(&database.admin_url()).run_worker(&[]).await;
    ended.refused(&["refusing to start", "is a superuser", "crm_worker"]);
    let nobody = Nobody::here();
    let ended = Environment::of_worker(&closed_database(&nobody)).run_worker(&[]).await;
    let message = ended.refused(&["the database cannot be reached"]);
    assert!(!message.contains("hunter2"), "{message}");
    database.execute("alter table outbox no force row level security").await;
    let ended = Environment::of_worker(&database.worker_url()).run_worker(&[]).await;
    ended.refused(&["refusing to start", "without forced row-level security: outbox"]);
}

#[tokio::test]
async fn a_database_that_does_not_have_every_letter_is_refused_and_one_that_folds_ascii_only_is_told_of()
 {
    let _roles = Database::migrated().await;
    let anew = "createdb -T template0 -E UTF8 --locale=C.UTF-8";
    let latin = Database::of_text("LATIN1", "C").await;
    let said = "LATIN1 does not have every letter";
    let ended = Environment::of(&latin).run(&["serve"]).await;
    ended.refused(&["refusing to start", "encoding", said, anew]);
    let worker = Environment::of_worker(&latin.worker_url()).run_worker(&[]).await;
    worker.refused(&["refusing to start", said]);
    for encoding in ["SQL_ASCII", "UTF8"] {
        let database = Database::of_text(encoding, "C").await;
        let doctor = Environment::of(&database).run(&["doctor"]).await.stdout;
        assert!(doctor.contains("warning  letters: names that are no ASCII"), "{doctor}");
        assert!(doctor.contains("ok       encoding\n"), "{doctor}");
    }
}

#[tokio::test]
async fn a_database_without_any_migration_is_refused() {
    let _roles = Database::migrated().await;
    let database = Database::empty().await;
    let ended = Environment::of(&database).run(&["serve"]).await;
    ended.refused(&["refusing to start", "none has run", "run `api migrate`"]);
}

#[tokio::test]
async fn a_database_without_the_newest_migration_is_refused() {
    let newest = "(select max(version) from _sqlx_migrations)";
    let database = spoilt(&format!("delete from _sqlx_migrations where version = {newest}")).await;
    let ended = Environment::of(&database).run(&["serve"]).await;
    let newest = shared::db::migrate::MIGRATOR.iter().last().unwrap();
    let named = format!("not applied: {:04} {}", newest.version, newest.description);
    ended.refused(&["refusing to start", &named, "run `api migrate`"]);
}

#[tokio::test]
async fn a_tenant_table_that_is_open_is_refused() {
    for fault in ["no force row level security", "disable row level security"] {
        let database = spoilt(&format!("alter table contacts {fault}")).await;
        let ended = Environment::of(&database).run(&["serve"]).await;
        ended.refused(&["refusing to start", "without forced row-level security: contacts"]);
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_refused_without_telling_the_password() {
    let nobody = Nobody::here();
    let message = Environment::with_url(&closed_database(&nobody)).run(&["serve"]).await;
    let message = message.refused(&["the database cannot be reached"]);
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn all_missing_and_bad_variables_are_named_at_once_without_their_values() {
    let environment = Environment::empty()
        .set("API_LISTEN", "hunter2")
        .set("DATABASE_CONNECTIONS", "0")
        .set("REQUEST_TIMEOUT", "hunter2")
        .set("JWT_KEYS", "hunter2")
        .set("SECRET_KEYS", "1:hunter2")
        .set("WEBHOOK_ALLOW_HTTP", "perhaps")
        .set("WEBHOOK_ALLOW_NETWORKS", "hunter2");
    let ended = environment.run(&["serve"]).await;
    let message = ended.refused(&[
        "DATABASE_URL is not set",
        "API_KEY_PEPPER is not set",
        "API_LISTEN is not valid",
        "DATABASE_CONNECTIONS is not valid",
        "REQUEST_TIMEOUT is not valid",
        "JWT_KEYS is not valid",
        "SECRET_KEYS is not valid",
        "WEBHOOK_ALLOW_HTTP is not valid",
        "WEBHOOK_ALLOW_NETWORKS is not valid",
    ]);
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn a_taken_port_is_refused_with_the_variable_that_moves_it() {
    let database = Database::migrated().await;
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    for variable in ["API_LISTEN", "ADMIN_LISTEN"] {
        let ended = Environment::of(&database).set(variable, &address).run(&["serve"]).await;
        ended.refused(&[&address, variable]);
    }
}

#[tokio::test]
async fn demo_login_on_an_address_that_others_reach_needs_a_second_word() {
    let database = Database::migrated().await;
    let open = Environment::of(&database).set("API_LISTEN", "0.0.0.0:0").set("DEMO_LOGIN", "true");
    let ended = open.run(&["serve"]).await;
    ended.refused(&["API_LISTEN is not a loopback address", "DEMO_LOGIN_PUBLIC=true"]);
    open.set("DEMO_LOGIN_PUBLIC", "true").run(&["doctor"]).await.success();
    let inside = Environment::of(&database).set("DEMO_LOGIN", "true");
    inside.run(&["doctor"]).await.success();
}

#[tokio::test]
async fn a_public_url_that_is_none_is_refused() {
    let database = Database::migrated().await;
    for url in
        ["crm.example", "ftp://crm.example", "https://crm.example/?a=b", "https://crm.example/#x"]
    {
        let ended = Environment::of(&database).set("PUBLIC_URL", url).run(&["serve"]).await;
        ended.refused(&["PUBLIC_URL is not valid: write a URL such as https://crm.example"]);
    }
}

#[tokio::test]
async fn an_outside_issuer_is_configured_whole_and_over_https_or_not_at_all() {
    let database = Database::migrated().await;
    let issuer = ("OIDC_ISSUER", "https://id.example");
    let audience = ("OIDC_AUDIENCE", "liaison");
    for (variables, fault) in [
        (&[issuer][..], "OIDC_AUDIENCE is not set, and OIDC_ISSUER is: write what"),
        (
            &[audience],
            "OIDC_ISSUER is not set, and OIDC_AUDIENCE is: write the issuer's URL, such as https://id.example",
        ),
        (
            &[("OIDC_ISSUER", "http://id.example"), audience],
            "OIDC_ISSUER is not valid: write an https URL such as https://id.example",
        ),
    ] {
        let set = |environment: Environment, (name, value): &(&'static str, &str)| {
            environment.set(name, *value)
        };
        let environment = variables.iter().fold(Environment::of(&database), set);
        environment.run(&["serve"]).await.refused(&[fault]);
    }
    let whole = Environment::of(&database).set(issuer.0, issuer.1).set(audience.0, audience.1);
    whole.run(&["doctor"]).await.success();
}

#[tokio::test]
async fn a_log_format_and_a_sampler_that_there_are_not_are_named() {
    let environment = Environment::with_url("postgres://crm_app:none@127.0.0.1:1/none")
        .set("LOG_FORMAT", "xml")
        .set("OTEL_TRACES_SAMPLER", "jaeger_remote")
        .set("OTEL_TRACES_SAMPLER_ARG", "2");
    environment.run(&["serve"]).await.refused(&[
        "LOG_FORMAT is not valid: write json or text",
        "OTEL_TRACES_SAMPLER is not valid: write always_on",
        "OTEL_TRACES_SAMPLER_ARG is not valid: write a number from 0 to 1",
    ]);
}

#[tokio::test]
async fn no_time_at_all_is_not_taken_for_no_limit() {
    let database = Database::migrated().await;
    let api = Environment::of(&database).set("REQUEST_TIMEOUT", "0s").run(&["serve"]).await;
    api.refused(&["REQUEST_TIMEOUT is not valid: it has to be longer than nothing"]);
    let worker = Environment::of_worker(&database.worker_url()).set("WEBHOOK_TIMEOUT", "0ms");
    let worker = worker.run_worker(&[]).await;
    worker.refused(&["WEBHOOK_TIMEOUT is not valid: it has to be longer than nothing"]);
}
