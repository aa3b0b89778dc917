//! `api admin tenant export`: everything that the api may read of a tenant, as it is at one moment, table by table,
//! without holding more than a row of it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};
use shared::TenantTx;
use shared::changes;
use shared::clock::rfc3339;
use shared::db::owner::{self, Table};
use shared::id::TenantId;

use crate::commands::CommandResult;
use crate::commands::front::Front;
use crate::commands::out::say;
use crate::commands::progress;

const STOPPED: &str = "stopped: what was written is not whole";

/// Of which tenant, and where to.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  api admin tenant export --tenant $TENANT --to ./acme\n  api admin tenant export --tenant $TENANT | gzip > acme.ndjson.gz\n\n\
    A folder gets one file for each table and, at last, manifest.json; standard output gets lines\n\
    {\"table\": …, \"row\": …} and, at last, {\"manifest\": …}. Without the manifest it is not whole."
)]
pub(crate) struct Export {
    /// The tenant's id
    #[arg(long)]
    tenant: TenantId,
    /// A folder that does not exist yet; standard output without
    #[arg(long)]
    to: Option<PathBuf>,
}

pub(super) async fn run(Export { tenant, to }: Export) -> CommandResult {
    let front = Front::open(tenant).await?;
    if let Some(folder) = &to {
        DirBuilder::new().mode(0o700).create(folder).map_err(|error| named(folder, &error))?;
    }
    // Before anything leaves: of an export that is broken off, too, the tenant must be able to know.
    note(&front, "export_begun", &json!({"to": if to.is_some() { "folder" } else { "stdout" }}))
        .await?;
    let whole = progress::unless_stopped(STOPPED, async {
        let mut tx = front.begin().await?;
        let whole = export(&mut tx, to.as_deref()).await;
        tx.rollback().await?;
        whole
    });
    let manifest = match whole.await {
        // Nobody reads any more, and that is nobody's fault.
        Err(error) if is_broken_pipe(&error) => return Ok(()),
        whole => whole?,
    };
    note(&front, "exported", &manifest["tables"]).await
}

/// Keeps in the tenant's audit log what was done.
async fn note(front: &Front, verb: &str, what: &Value) -> CommandResult {
    let mut tx = front.begin().await?;
    let tenant = tx.tenant();
    changes::logged(&mut tx, ("tenant", tenant.0), verb, what)?;
    Ok(tx.commit().await?)
}

/// Writes every table that this login may read, then the manifest.
async fn export(tx: &mut TenantTx, to: Option<&Path>) -> CommandResult<Value> {
    for statement in [
        "set transaction isolation level repeatable read, read only",
        "set local statement_timeout = 0",
    ] {
        sqlx::query(statement).execute(tx.conn()).await?;
    }
    let mut tables = owner::tables(tx.conn()).await?;
    tables.retain(Table::is_readable);
    let bar = progress::bar(0, "exporting");
    if !bar.is_hidden() {
        bar.set_length(owner::count(tx, &tables).await?.iter().map(|(_, rows)| rows).sum());
    }
    let mut counts = Map::new();
    let row = owner::tenant_row(tx).await?;
    let mut sink = Sink::open(to, "tenants")?;
    sink.take(&row)?;
    sink.end()?;
    counts.insert("tenants".to_owned(), json!(1));
    for table in &tables {
        let rows = export_table(tx, table, to, &bar).await?;
        counts.insert(table.name.clone(), json!(rows));
    }
    drop(bar);
    let manifest =
        json!({"format": 1, "tenantId": tx.tenant(), "at": rfc3339(tx.now()), "tables": counts});
    match to {
        Some(folder) => {
            let path = folder.join("manifest.json");
            private_file(&path)?.write_all(manifest.to_string().as_bytes())?;
        }
        None => say(&json!({"manifest": manifest}).to_string())?,
    }
    Ok(manifest)
}

async fn export_table(
    tx: &mut TenantTx,
    table: &Table,
    to: Option<&Path>,
    bar: &ProgressBar,
) -> CommandResult<u64> {
    let mut sink = Sink::open(to, &table.name)?;
    let rows = owner::export(tx, table, |row| {
        bar.inc(1);
        sink.take(row)
    });
    let rows = rows.await?;
    sink.end()?;
    Ok(rows)
}

/// Where the rows of one table go.
struct Sink {
    out: BufWriter<Box<dyn Write + Send>>,
    /// What a line is put into, where tables share the output.
    around: (String, &'static str),
}

impl Sink {
    fn open(to: Option<&Path>, table: &str) -> CommandResult<Self> {
        let (out, around): (Box<dyn Write + Send>, _) = match to {
            Some(folder) => {
                let file = private_file(&folder.join(format!("{table}.jsonl")))?;
                (Box::new(file), (String::new(), ""))
            }
            None => {
                (Box::new(io::stdout()), (format!("{{\"table\":{},\"row\":", json!(table)), "}"))
            }
        };
        Ok(Self { out: BufWriter::with_capacity(64 * 1024, out), around })
    }

    fn take(&mut self, row: &str) -> io::Result<()> {
        writeln!(self.out, "{}{row}{}", self.around.0, self.around.1)
    }

    fn end(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A new file that nobody else may read: it holds personal data.
fn private_file(path: &Path) -> CommandResult<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> crate::error::BoxError {
    format!("{}: {error}", path.display()).into()
}

fn is_broken_pipe(error: &crate::error::BoxError) -> bool {
    let plain = error.downcast_ref::<io::Error>();
    let through = error.downcast_ref::<sqlx::Error>().and_then(|error| match error {
        sqlx::Error::Io(error) => Some(error),
        _ => None,
    });
    plain.or(through).is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
