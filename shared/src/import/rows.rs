//! What became of the rows of imports: of those that made a contact which it was, a thousand in one row of the
//! database; of those that changed one or failed, each by itself. Of a row that changed nothing there is nothing to
//! keep.

use sqlx::types::Json;
use std::collections::BTreeMap;

use uuid::Uuid;

use super::apply::Done;
use super::{BATCH, RowError};
use crate::db::{TenantTx, json};
use crate::id::{ContactId, ImportId};

/// Outcomes, each column as one array.
#[derive(Default)]
struct Columns {
    rows: Vec<i32>,
    lines: Vec<Option<i32>>,
    inputs: Vec<Option<String>>,
    outcomes: Vec<String>,
    codes: Vec<Option<String>>,
    details: Vec<Option<String>>,
    contacts: Vec<Option<Uuid>>,
    befores: Vec<Option<String>>,
    versions: Vec<Option<i32>>,
}

impl Columns {
    fn push(&mut self, done: &Done) -> sqlx::Result<()> {
        let (sent, fault) = done.refused.as_ref().map(|(sent, fault)| (sent, fault)).unzip();
        self.rows.push(done.row);
        self.lines.push(sent.and_then(|sent| sent.line));
        self.inputs.push(sent.map(|sent| sent.input.clone()));
        self.outcomes.push(done.outcome.as_str().to_owned());
        self.codes.push(fault.map(|fault| fault.code.to_owned()));
        self.details.push(fault.map(|fault| json(&fault.details)).transpose()?);
        self.contacts.push(done.contact.map(|id| id.0));
        self.befores.push(done.before.as_ref().map(json).transpose()?);
        self.versions.push(done.version);
        Ok(())
    }
}

/// Writes down what became of rows: why they were not taken, or which contact they made or changed.
///
/// # Errors
/// The database's.
pub async fn record(tx: &mut TenantTx, import: ImportId, done: &[Done]) -> sqlx::Result<()> {
    let made: Vec<_> = done.iter().filter_map(Done::made).collect();
    for made in made.chunks(BATCH) {
        record_made(tx, import, made).await?;
    }
    let kept: Vec<&Done> = done.iter().filter(|done| done.leaves_a_row()).collect();
    for kept in kept.chunks(BATCH) {
        record_rows(tx, import, kept).await?;
    }
    Ok(())
}

/// New contacts, each with the place of what made it, in one row.
async fn record_made(
    tx: &mut TenantTx,
    import: ImportId,
    made: &[(i32, ContactId)],
) -> sqlx::Result<()> {
    let contacts: Vec<Uuid> = made.iter().map(|(_, contact)| contact.0).collect();
    sqlx::query!(
        "insert into import_contacts (tenant_id, import_id, first, contacts) values ($1, $2, $3, $4)",
        tx.tenant().0,
        import.0,
        made.first().map_or(0, |(row, _)| *row),
        &contacts,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn record_rows(tx: &mut TenantTx, import: ImportId, done: &[&Done]) -> sqlx::Result<()> {
    let mut c = Columns::default();
    done.iter().try_for_each(|done| c.push(done))?;
    sqlx::query!(
        "insert into import_rows (tenant_id, import_id, row, line, input, outcome, code, details, contact_id, before,
                                  version)
         select $1, $2, r.row, r.line, r.input::json, r.outcome, r.code, r.details::json, r.contact, r.before::json,
                r.version
         from unnest($3::integer[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[],
                     $10::text[], $11::integer[])
              r (row, line, input, outcome, code, details, contact, before, version)",
        tx.tenant().0,
        import.0,
        &c.rows,
        &c.lines as &[Option<i32>],
        &c.inputs as &[Option<String>],
        &c.outcomes,
        &c.codes as &[Option<String>],
        &c.details as &[Option<String>],
        &c.contacts as &[Option<Uuid>],
        &c.befores as &[Option<String>],
        &c.versions as &[Option<i32>],
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

/// The next contacts that can be put back: those that the import made, as they were written down, then those that it
/// only changed.
pub(super) async fn applied(tx: &mut TenantTx, import: ImportId) -> sqlx::Result<Vec<Applied>> {
    sqlx::query_as!(
        Applied,
        r#"with made as (
               select contacts from import_contacts where import_id = $1 order by first limit 1
           ), chosen as (
               select unnest(contacts) as contact_id from made
               union all
               (select distinct contact_id from import_rows
                where import_id = $1 and outcome in ('created', 'updated') and not exists (select from made)
                order by contact_id limit $2)
           ), steps as (
               select unnest(contacts) as contact_id, 0 as row, null::json as before, 1 as version from made
               union all
               select r.contact_id, r.row, r.before, r.version
               from chosen c join import_rows r on r.import_id = $1 and r.contact_id = c.contact_id
                    and r.outcome in ('created', 'updated')
           )
           select contact_id as "contact!: ContactId",
                  (array_agg(before order by row))[1] as "before?: Json<crate::contacts::Contact>",
                  max(version) as "version!",
                  bool_and(former is null or former = (before->>'version')::integer) as "unbroken!"
           from (select *, lag(version) over (partition by contact_id order by row) as former from steps) steps
           group by contact_id order by contact_id"#,
        import.0,
        i64::try_from(BATCH).unwrap_or(i64::MAX),
    )
    .fetch_all(tx.conn())
    .await
}

/// Forgets contacts that have been put back or left alone, so that no other try looks at them: the next, as [`applied`]
/// named them.
pub(super) async fn settle(
    tx: &mut TenantTx,
    import: ImportId,
    contacts: &[Uuid],
) -> sqlx::Result<()> {
    sqlx::query!(
        "with made as (
             delete from import_contacts
             where import_id = $1 and first = (select min(first) from import_contacts where import_id = $1))
         delete from import_rows
         where import_id = $1 and contact_id = any ($2) and outcome in ('created', 'updated')",
        import.0,
        contacts,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
