//! `api admin` and `api doctor`: the real commands over a real database.

mod chores;
mod doctor;
mod document;

mod erase;
mod export;
mod replays;
mod reseal;
mod terminal;
mod variables;

use serde_json::Value;
use tests::kit::{Database, SECRET_KEY};

use crate::boot::process::Environment;

/// An operator who has every variable, over the database of a test.
fn operator(database: &Database) -> Environment {
    Environment::of(database)
        .set("MIGRATION_DATABASE_URL", database.admin_url())
        .set("SECRET_KEYS", format!("1:{SECRET_KEY}"))
        .set("WEBHOOK_ALLOW_HTTP", "true")
        .set("WEBHOOK_ALLOW_NETWORKS", "127.0.0.0/8")
}

/// What `api admin …` prints with `--json`.
async fn json(operator: &Environment, arguments: &[&str]) -> Value {
    let said = operator.run(&[&["admin"], arguments, &["--json"]].concat()).await.success();
    serde_json::from_str(&said).expect(&said)
}
