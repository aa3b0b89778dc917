//! What an event leaves behind: bytes in each table, with its indexes, and bytes of WAL on the way.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;
use sqlx::PgConnection;

use super::backlog::{empty, wait_until_written};
use super::create;
use super::drain::PATIENCE;
use super::load::{self, Window};
use super::options::Options;
use super::requests::{Numbers, create_contact};
use super::stage::{Stage, execute};
use super::subscribers::Subscribers;
use crate::servers::Result;

/// See the module. Each event is that of a contact that was created, sent to one webhook.
#[derive(Clone, Debug, Serialize)]
pub struct Storage {
    /// So many were made.
    pub events: u32,
    pub tables: Vec<TableSize>,
    pub wal_bytes: f64,
}

/// The bytes of one event in one table.
#[derive(Clone, Debug, Serialize)]
pub struct TableSize {
    pub table: &'static str,
    pub bytes: f64,
}

/// Tables that keep what they get; the outbox and the queue give it back.
const TABLES: [&str; 5] = ["events", "webhook_events", "webhook_attempts", "audit_log", "contacts"];

impl Storage {
    /// The report as text.
    pub fn lines(&self) -> String {
        let mut text = format!("\nbytes for each of {} events with one delivery:", self.events);
        for TableSize { table, bytes } in &self.tables {
            let _ = write!(text, " {table} {bytes:.0},");
        }
        let _ = writeln!(text, " WAL {:.0}", self.wal_bytes);
        text
    }
}

/// Creates contacts for a while and has their events delivered.
///
/// # Errors
/// When a call or a delivery fails.
pub async fn measure(stage: &Stage, options: &Options) -> Result<Storage> {
    let api = stage.api().await?;
    let subscribers = Subscribers::create(stage).await?;
    let mut session = stage.superuser().await?;
    empty(&mut session).await?;
    create::empty(&mut session).await?;
    let worker = stage.worker().await?;
    let (sizes, wal) = (sizes(&mut session).await?, written(&mut session).await?);

    let (made, numbers) = (Arc::new(AtomicU32::new(0)), Numbers::default());
    let keys: Arc<[String]> =
        subscribers.tenants.iter().map(|tenant| tenant.api_key.clone()).collect();
    let counted = made.clone();
    let write = move |into: &mut Vec<u8>| {
        let number = counted.fetch_add(1, Ordering::Relaxed) as usize;
        create_contact(&keys[number % keys.len()], numbers.next(), into);
    };
    let window = Window::after(options.warm_up(), options.measurement());
    load::closed(stage.api_address, subscribers.tenants.len(), window, 201, write).await?;
    let events = made.load(Ordering::Relaxed);
    subscribers.receivers.wait_for(events as usize, PATIENCE).await?;
    wait_until_written(&mut session, PATIENCE).await?;
    let each = |total: f64| total / f64::from(events.max(1));
    let tables = TABLES.into_iter().zip(self::sizes(&mut session).await?).zip(sizes);
    let tables =
        tables.map(|((table, after), before)| TableSize { table, bytes: each(after - before) });
    let (tables, wal_bytes) = (tables.collect(), each(written(&mut session).await? - wal));
    worker.stop().await?;
    api.stop().await?;
    Ok(Storage { events, tables, wal_bytes })
}

/// With indexes, TOAST and partitions.
async fn sizes(session: &mut PgConnection) -> Result<Vec<f64>> {
    // What was freed is given back first: only what stays counts.
    execute(session, ["vacuum"]).await?;
    let sql = "select (pg_total_relation_size(t.name::regclass) + (
             select coalesce(sum(pg_total_relation_size(p.relid)), 0) from pg_partition_tree(t.name::regclass) p
             where p.isleaf and p.level > 0))::float8
         from unnest($1::text[]) with ordinality t (name, place) order by t.place";
    Ok(sqlx::query_scalar(sql).bind(TABLES.as_slice()).fetch_all(session).await?)
}

async fn written(session: &mut PgConnection) -> Result<f64> {
    let sql = "select (pg_current_wal_insert_lsn() - '0/0')::float8";
    Ok(sqlx::query_scalar(sql).fetch_one(session).await?)
}
