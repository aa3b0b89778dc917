//! The rows of imports in the database.

use sqlx::types::Json;
use std::collections::BTreeMap;

use uuid::Uuid;

use super::apply::{Done, Pending};
use super::{BATCH, Fault, Outcome, RowError};
use crate::contacts::ContactPatch;
use crate::db::TenantTx;
use crate::id::{ContactId, ImportId};

/// A row to be kept.
#[derive(Debug)]
pub struct NewRow {
    /// Its place in the file, from 1.
    pub row: i32,
    /// The line that it begins on.
    pub line: Option<i32>,
    /// As it was sent: JSON text.
    pub input: String,
    /// What it says, or why it says nothing.
    pub read: Result<ContactPatch, Fault>,
}

/// Outcomes, each column as one array.
#[derive(Default)]
struct Columns {
    rows: Vec<i32>,
    outcomes: Vec<Option<String>>,
    codes: Vec<Option<String>>,
    details: Vec<Option<String>>,
    contacts: Vec<Option<Uuid>>,
    befores: Vec<Option<String>>,
    versions: Vec<Option<i32>>,
}

fn encode(value: &impl serde::Serialize) -> sqlx::Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

impl Columns {
    fn push(&mut self, done: &Done) -> sqlx::Result<()> {
        self.rows.push(done.row);
        self.outcomes.push(Some(done.outcome.as_str().to_owned()));
        self.codes.push(done.fault.as_ref().map(|fault| fault.code.to_owned()));
        self.details.push(done.fault.as_ref().map(|fault| encode(&fault.details)).transpose()?);
        self.contacts.push(done.contact.map(|id| id.0));
        self.befores.push(done.before.as_ref().map(encode).transpose()?);
        self.versions.push(done.version);
        Ok(())
    }
}

/// Keeps rows as they arrive: those that say nothing have failed at once, the others wait. Says how many failed.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut TenantTx, import: ImportId, new: &[NewRow]) -> sqlx::Result<i32> {
    let (tenant, mut failed) = (tx.tenant(), 0);
    let (mut columns, mut lines, mut inputs, mut contacts) =
        (Columns::default(), Vec::new(), Vec::new(), Vec::new());
    for row in new {
        lines.push(row.line);
        inputs.push(row.input.clone());
        match &row.read {
            Ok(patch) => {
                contacts.push(Some(encode(patch)?));
                columns.rows.push(row.row);
                columns.outcomes.push(None);
                columns.codes.push(None);
                columns.details.push(None);
            }
            Err(fault) => {
                contacts.push(None);
                columns.push(&Done::failed(row.row, fault.clone()))?;
                failed += 1;
            }
        }
    }
    sqlx::query!(
        "insert into import_rows (tenant_id, import_id, row, line, input, contact, outcome, code, details)
         select $1, $2, r.row, r.line, r.input::json, r.contact::json, r.outcome, r.code, r.details::json
         from unnest($3::integer[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
              r (row, line, input, contact, outcome, code, details)",
        tenant.0,
        import.0,
        &columns.rows,
        &lines as &[Option<i32>],
        &inputs,
        &contacts as &[Option<String>],
        &columns.outcomes as &[Option<String>],
        &columns.codes as &[Option<String>],
        &columns.details as &[Option<String>],
    )
    .execute(tx.conn())
    .await?;
    Ok(failed)
}

/// The next rows that wait, in their order.
///
/// # Errors
/// The database's.
pub async fn pending(
    tx: &mut TenantTx,
    import: ImportId,
    after: i32,
) -> sqlx::Result<Vec<Pending>> {
    let rows = sqlx::query!(
        r#"select row, contact as "contact!: Json<ContactPatch>" from import_rows
           where import_id = $1 and outcome is null and row > $2 order by row limit $3"#,
        import.0,
        after,
        i64::try_from(BATCH).unwrap_or(i64::MAX),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| Pending { row: row.row, patch: row.contact.0 }).collect())
}

/// Writes down what became of rows. They go by `ctid`, so that the planner cannot read the whole import for each.
///
/// # Errors
/// The database's.
pub async fn record(tx: &mut TenantTx, import: ImportId, done: &[Done]) -> sqlx::Result<()> {
    let mut columns = Columns::default();
    for done in done {
        columns.push(done)?;
    }
    sqlx::query!(
        "update import_rows
         set outcome = d.outcome, code = d.code, details = d.details::json, contact_id = d.contact,
             before = d.before::json, version = d.version, contact = null,
             input = case d.outcome when 'failed' then import_rows.input end
         from unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::integer[])
              d (row, outcome, code, details, contact, before, version)
              cross join lateral (
                  select ctid as place from import_rows where import_id = $1 and row = d.row offset 0) found
         where import_rows.ctid = found.place",
        import.0,
        &columns.rows,
        &columns.outcomes as &[Option<String>],
        &columns.codes as &[Option<String>],
        &columns.details as &[Option<String>],
        &columns.contacts as &[Option<Uuid>],
        &columns.befores as &[Option<String>],
        &columns.versions as &[Option<i32>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Rows that failed, after one of them, in their order.
///
/// # Errors
/// The database's.
pub async fn failed(
    tx: &mut TenantTx,
    import: ImportId,
    after: i32,
    most: i64,
) -> sqlx::Result<Vec<RowError>> {
    let rows = sqlx::query!(
        r#"select row, line, code as "code?", details as "details?: Json<BTreeMap<String, String>>",
                  input::text as "input?"
           from import_rows
           where import_id = $1 and outcome = 'failed' and row > $2 order by row limit $3"#,
        import.0,
        after,
        most,
    )
    .fetch_all(tx.conn())
    .await?;
    let errors = rows.into_iter().map(|row| RowError {
        row: row.row,
        line: row.line,
        code: row.code.unwrap_or_default(),
        details: row.details.map(|details| details.0).unwrap_or_default(),
        input: row.input.and_then(|text| serde_json::value::RawValue::from_string(text).ok()),
    });
    Ok(errors.collect())
}

/// Forgets what nobody will apply any more.
///
/// # Errors
/// The database's.
pub async fn give_up(tx: &mut TenantTx, import: ImportId) -> sqlx::Result<()> {
    sqlx::query!("delete from import_rows where import_id = $1 and outcome is null", import.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// A contact that an import made or changed, all its rows together.
pub(super) struct Applied {
    pub contact: ContactId,
    /// As it was before the first row; none when that row made it.
    pub before: Option<Json<crate::contacts::Contact>>,
    /// As the last row left it.
    pub version: i32,
    /// Whether nobody else changed it between the rows.
    pub unbroken: bool,
}

/// The next contacts that can be put back.
pub(super) async fn applied(
    tx: &mut TenantTx,
    import: ImportId,
    after: Uuid,
) -> sqlx::Result<Vec<Applied>> {
    sqlx::query_as!(
        Applied,
        r#"select contact_id as "contact!: ContactId",
                  (array_agg(before order by row))[1] as "before?: Json<crate::contacts::Contact>",
                  max(version) as "version!",
                  bool_and(former is null or former = (before->>'version')::integer) as "unbroken!"
           from (
               select r.contact_id, r.row, r.before, r.version,
                      lag(r.version) over (partition by r.contact_id order by r.row) as former
               from (select distinct contact_id from import_rows
                     where import_id = $1 and outcome in ('created', 'updated') and contact_id > $2
                     order by contact_id limit $3) c
               join import_rows r on r.import_id = $1 and r.contact_id = c.contact_id
                    and r.outcome in ('created', 'updated')) rows
           group by contact_id order by contact_id"#,
        import.0,
        after,
        i64::try_from(BATCH).unwrap_or(i64::MAX),
    )
    .fetch_all(tx.conn())
    .await
}

/// Remembers that contacts have been put back or left alone, so that no other try looks at them.
pub(super) async fn settle(
    tx: &mut TenantTx,
    import: ImportId,
    contacts: &[Uuid],
) -> sqlx::Result<()> {
    let skipped = Outcome::Skipped.as_str();
    sqlx::query!(
        "update import_rows set outcome = $3, before = null
         where import_id = $1 and contact_id = any ($2) and outcome in ('created', 'updated')",
        import.0,
        contacts,
        skipped,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
