//! The plan of every statement that the product sends, told by PostgreSQL's own `auto_explain` as notices, which arrive
//! as events of the thread that the test and its product share.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tests::kit::{Database, until};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// A statement and how it was done.
pub struct Statement {
    pub text: String,
    pub nodes: Vec<Node>,
}

/// A step of a plan.
#[derive(Debug)]
pub struct Node {
    /// Such as `Index Scan`.
    pub kind: String,
    /// The table it reads; empty for others.
    pub table: String,
    /// What it looks for in an index, or in the whole; empty for others.
    pub condition: String,
    /// The rows that it answered or threw away, all loops together.
    pub read: f64,
}

/// What has been told so far.
#[derive(Clone, Default)]
pub struct Explained(Arc<Mutex<Vec<String>>>);

impl Explained {
    /// Listens on this thread, until the guard is dropped.
    pub fn listening() -> (Self, DefaultGuard) {
        let plans = Self::default();
        let subscriber = tracing_subscriber::registry().with(plans.clone());
        (plans, tracing::subscriber::set_default(subscriber))
    }

    /// Lets later connections of a login tell their plans.
    pub async fn switch_on(database: &Database, login: &str) {
        for (setting, value) in [
            ("session_preload_libraries", "auto_explain"),
            ("auto_explain.log_min_duration", "0"),
            ("auto_explain.log_analyze", "on"),
            ("auto_explain.log_timing", "off"),
            ("auto_explain.log_nested_statements", "on"),
            ("auto_explain.log_format", "json"),
            ("auto_explain.log_level", "notice"),
        ] {
            let name = database.name();
            let sql = format!("alter role {login} in database {name} set {setting} = '{value}'");
            database.execute(&sql).await;
        }
    }

    pub fn forget(&self) {
        // A thread without a listener may have been the first to get a notice, and tracing remembers that nobody cared.
        tracing::callsite::rebuild_interest_cache();
        self.0.lock().unwrap().clear();
    }

    pub fn taken(&self) -> Vec<Statement> {
        let told = std::mem::take(&mut *self.0.lock().unwrap());
        told.iter().map(|text| statement(&serde_json::from_str(text).expect(text))).collect()
    }

    /// What has been told, once a statement of this kind has: the last of a request can be told behind its answer, when
    /// the connection is given back.
    pub async fn taken_with(&self, what: impl Fn(&Statement) -> bool) -> Vec<Statement> {
        let mut statements = Vec::new();
        until("the plan arrives", async || {
            statements.append(&mut self.taken());
            statements.iter().any(&what)
        })
        .await;
        statements
    }
}

impl<S: Subscriber> Layer<S> for Explained {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::postgres::notice" {
            event.record(&mut Message(self));
        }
    }
}

struct Message<'a>(&'a Explained);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == "message"
            && let Some((_, plan)) = text.split_once("plan:\n")
        {
            self.0.0.lock().unwrap().push(plan.to_owned());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

fn statement(told: &Value) -> Statement {
    let mut nodes = Vec::new();
    collect(&told["Plan"], &mut nodes);
    Statement { text: told["Query Text"].as_str().unwrap_or_default().to_owned(), nodes }
}

fn collect(plan: &Value, into: &mut Vec<Node>) {
    let text = |member: &str| plan[member].as_str().unwrap_or_default().to_owned();
    let rows = |member: &str| plan[member].as_f64().unwrap_or_default();
    let removed = rows("Rows Removed by Filter") + rows("Rows Removed by Index Recheck");
    let read = (rows("Actual Rows") + removed) * rows("Actual Loops");
    let (kind, table) = (text("Node Type"), text("Relation Name"));
    // A bitmap's heap repeats what its index was asked for.
    let condition = text("Index Cond") + &text("Recheck Cond") + &text("TID Cond");
    if kind.contains("Scan") || kind.contains("Sort") {
        into.push(Node { kind, table, condition, read });
    }
    for part in plan["Plans"].as_array().into_iter().flatten() {
        collect(part, into);
    }
}
