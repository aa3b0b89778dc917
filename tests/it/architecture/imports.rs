//! Who may use what.

use super::source::{Source, file, files, mentions};

/// The crates that a manifest depends on outside its tests, on whatever target, by their names here and elsewhere.
fn dependencies(manifest: &str) -> Vec<String> {
    let (mut inside, mut names) = (false, Vec::new());
    for line in manifest.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(table) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            let (place, name) = table.rsplit_once("dependencies").unwrap_or(("no", ""));
            inside = ["", "build-"].contains(&place)
                || place.ends_with('.')
                || place.ends_with(".build-");
            names.extend(name.strip_prefix('.').filter(|_| inside));
        } else if inside {
            names.extend(line.split(['.', ' ', '=']).next());
            names.extend(line.split("package = \"").nth(1).and_then(|name| name.split('"').next()));
        }
    }
    names.into_iter().filter(|name| !name.is_empty()).map(|name| name.replace('"', "")).collect()
}

fn assert_no_dependency(crate_name: &str, banned: &[&str]) {
    let found = dependencies(&file(&format!("{crate_name}/Cargo.toml")).unwrap().text);
    assert!(found.len() > 5, "the manifest of {crate_name} is not read: {found:?}");
    let bad: Vec<_> = found.iter().filter(|name| banned.contains(&name.as_str())).collect();
    assert!(bad.is_empty(), "{crate_name}/Cargo.toml must not depend on {bad:?}");
}

/// The files under `folder` whose code holds one of `names`, other than the `allowed` ones (files, or folders
/// with a slash at the end).
fn users(folders: &[&str], names: &[&str], allowed: &[&str]) -> Vec<String> {
    let permitted = |path: &str| {
        allowed
            .iter()
            .any(|place| path == *place || (place.ends_with('/') && path.starts_with(place)))
    };
    files(folders, ".rs")
        .iter()
        .filter(|source| !permitted(&source.path) && !is_test(source))
        .filter(|source| holds_any(&source.code(), names))
        .map(|source| source.path.clone())
        .collect()
}

/// Whether the code holds one of these names, or calls one of these methods (`.name(`), however its lines are broken.
fn holds_any(code: &str, names: &[&str]) -> bool {
    let joined: String = code.split_whitespace().collect();
    names.iter().any(|name| {
        let calls = name.starts_with('.') && joined.contains(name);
        calls || mentions(code, name) || mentions(&joined, name)
    })
}

/// Whether the file is only compiled into tests.
fn is_test(source: &Source) -> bool {
    source.path.contains("/tests/") || source.path.ends_with("/tests.rs")
}

#[test]
fn shared_knows_no_web_framework_no_queue_no_http_client_and_no_process() {
    assert_no_dependency(
        "shared",
        &[
            "axum",
            "hyper",
            "hyper-util",
            "tower",
            "apalis",
            "apalis-core",
            "reqwest",
            "api",
            "worker",
        ],
    );
}

#[test]
fn api_and_worker_do_not_know_each_other() {
    assert_no_dependency("worker", &["api"]);
    assert_no_dependency("api", &["worker", "apalis", "apalis-core"]);
}

#[test]
fn the_api_asks_nobody_but_the_outside_issuer_for_its_keys() {
    // `api listen` is another program in the same binary: it runs on a developer's machine.
    let callers = ["api/src/auth/oidc/", "api/src/commands/listen/"];
    let users = users(&["api"], &["reqwest", "hyper::client"], &callers);
    assert!(users.is_empty(), "{users:?} may not: webhooks are the worker's to send");
}

/// The folders of the api that are made of `http.rs`, `mod.rs` and `store.rs`.
fn resources() -> Vec<String> {
    let stores = files(&["api/src"], "/store.rs");
    let folders = stores.iter().filter_map(|source| source.path.strip_suffix("/store.rs"));
    let resources: Vec<_> = folders
        .filter(|folder| file(&format!("{folder}/http.rs")).is_some())
        .map(str::to_owned)
        .collect();
    assert!(resources.len() >= 2, "the resources have moved: {resources:?}");
    resources
}

/// The faults of one file of a resource: names that it holds and must not.
fn holds(folder: &str, name: &str, banned: &[&str]) -> Vec<String> {
    let source = file(&format!("{folder}/{name}")).unwrap();
    let code = source.code();
    let held = banned.iter().filter(|banned| mentions(&code, banned));
    held.map(|banned| format!("{} uses {banned}", source.path)).collect()
}

#[test]
fn inside_a_resource_http_calls_rules_and_rules_call_store_never_backwards() {
    let mut faults = Vec::new();
    for folder in resources() {
        faults.extend(holds(&folder, "http.rs", &["super::store", "sqlx", "conn"]));
        faults.extend(holds(&folder, "mod.rs", &["axum", "super::http", "self::http", "conn"]));
        faults.extend(holds(
            &folder,
            "store.rs",
            &["axum", "super::http", "crate::http", "crate::error"],
        ));
        // All that the rules know of their http.rs is that it has routes.
        let rules = file(&format!("{folder}/mod.rs")).unwrap().code();
        let known = rules.replace("crate::http", "").matches("http::").count();
        assert_eq!(
            known, 1,
            "{folder}/mod.rs names http:: more than once, in `pub use http::routes`"
        );
        assert!(
            rules.contains("pub use http::routes;"),
            "{folder}/mod.rs does not pass its routes on"
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn only_http_begins_and_ends_transactions() {
    let mut faults = Vec::new();
    for folder in resources() {
        for name in ["mod.rs", "store.rs"] {
            faults.extend(holds(&folder, name, &["begin", "commit", "rollback", "finish"]));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn sql_made_of_strings_is_found_in_the_database_module_only() {
    let users =
        users(&["api", "worker", "shared"], &["AssertSqlSafe", "raw_sql"], &["shared/src/db/"]);
    assert!(users.is_empty(), "{users:?} may not: a tenant could break out of a string");
}

#[test]
fn dynamic_sql_is_found_in_lists_only() {
    let lists =
        ["api/src/list/", "api/src/webhooks/deliveries.rs", "api/src/webhooks/replays/store.rs"];
    let users = users(&["api", "worker", "shared"], &["QueryBuilder"], &lists);
    assert!(users.is_empty(), "{users:?}: use query_as!, which the compiler checks");
}

#[test]
fn the_api_never_crosses_tenants() {
    let banned = ["SystemTx", ".system(", ".system_asking(", "Db::system", "Db::system_asking"];
    let users = users(&["api", "shared"], &banned, &["shared/src/db/", "shared/src/lib.rs"]);
    assert!(
        users.is_empty(),
        "{users:?} may not: only the worker and the start-up check cross tenants"
    );
}

#[test]
fn the_api_speaks_without_a_tenant_to_find_callers_heads_and_public_keys_and_for_health_only() {
    let places = [
        "api/src/auth/store.rs",
        "api/src/auth/qr/store.rs",
        "api/src/event_log/followers.rs",
        "api/src/serve/admin.rs",
        "api/src/webhooks/signing/store.rs",
    ];
    let users = users(&["api"], &["direct"], &places);
    assert!(users.is_empty(), "{users:?}: begin a TenantTx");
}

#[test]
fn only_the_database_module_holds_a_pool() {
    let banned = [
        "PgPool",
        "PgPoolOptions",
        "PoolOptions",
        "sqlx::Pool",
        "Pool<Postgres",
        "Pool<sqlx::Postgres",
        "PgConnectOptions",
        "PgConnection::connect",
        "PgConnection::connect_with",
    ];
    let users = users(&["api", "worker"], &banned, &[]);
    assert!(users.is_empty(), "{users:?}: take a shared::Db");
}

#[test]
fn a_dependency_is_found_in_whatever_table_it_stands() {
    let manifest = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\n# c\nd = { package = \"e\" }\n\n\
        [dependencies.f]\nversion = \"1\"\n[target.'cfg(unix)'.dependencies]\ng = \"1\"\n\
        [target.x.build-dependencies.h]\n[build-dependencies]\ni = \"1\"\n[dev-dependencies]\nj = \"1\"\n\
        [dev-dependencies.k]\n[lints]\nworkspace = true\n";
    let found = dependencies(manifest);
    for name in ["b", "d", "e", "f", "g", "h", "i"] {
        assert!(found.iter().any(|one| one == name), "no {name} in {found:?}");
    }
    for name in ["a", "c", "j", "k", "lints", "workspace"] {
        assert!(found.iter().all(|one| one != name), "{name} in {found:?}");
    }
}

#[test]
fn a_call_is_found_wherever_its_line_is_broken_and_another_one_is_not() {
    let broken = "let tx = self.db\n    .system()\n    .await?;";
    assert!(holds_any(broken, &[".system("]) && !holds_any("Clock::system()", &[".system("]));
    assert!(holds_any("PgConnection::\n    connect(url)", &["PgConnection::connect"]));
    assert!(holds_any("a: Pool<\n    Postgres,\n>", &["Pool<Postgres"]));
}
