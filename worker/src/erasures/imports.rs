//! The SQL of what imports keep of a person: rows that made or changed the contact, and failed rows about it.

use chrono::TimeDelta;
use shared::TenantTx;
use shared::import::Status;
use uuid::Uuid;

use super::history::count;
use super::{Cursor, Erasure};

/// Failed rows that one step looks through, and so many bytes of them, as long as more than one fits: a row may have
/// tens of thousands of values, and each of them is looked at.
const BATCH: i64 = 2000;
const BYTES: i64 = 1 << 20;

/// A shorter text that a row contains says nothing about whom it is about.
const TELLING: i32 = 5;

/// Every text and number of JSON text, names of members too, however deep.
const TOKEN: &str = r#""(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9eE]*"#;

/// What Unicode calls white space: PostgreSQL by itself trims spaces only.
const WHITE: &str = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\
    \u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

/// What the clocks of two apis may be apart: an import that came before may be dated so much later.
const SKEW: TimeDelta = TimeDelta::minutes(1);

/// An import from before the erasure.
pub(super) struct Import {
    pub id: Uuid,
    /// Whether nothing of it is to come.
    pub over: bool,
}

/// Whether no import is just being made, which [`next`] would not see. Not waited for: others of the tenant would wait
/// behind.
pub(super) async fn none_is_new(tx: &mut TenantTx) -> sqlx::Result<bool> {
    let tenant = tx.tenant();
    sqlx::query_scalar!(
        r#"select pg_try_advisory_xact_lock(hashtextextended('imports of ' || $1::uuid, 0)) as "none!""#,
        tenant.0,
    )
    .fetch_one(tx.conn())
    .await
}

/// The next import behind the cursor that was begun before the erasure.
pub(super) async fn next(tx: &mut TenantTx, erasure: &Erasure) -> sqlx::Result<Option<Import>> {
    let tenant = tx.tenant();
    let under_way = [Status::Uploading, Status::Queued, Status::Running, Status::Undoing];
    let under_way: Vec<String> = under_way.iter().map(|one| one.as_str().to_owned()).collect();
    sqlx::query_as!(
        Import,
        r#"select id, status <> all ($4::text[]) as "over!" from imports
           where tenant_id = $1 and id > $2 and created_at <= $3 order by id limit 1"#,
        tenant.0,
        erasure.cursor.id.unwrap_or_default(),
        erasure.created_at + SKEW,
        &under_way,
    )
    .fetch_optional(tx.conn())
    .await
}

/// Erases what the import's next rows say about the contact: how many did, and where to go on. A failed row is kept as
/// it came, so a person may be named anywhere in it; of JSON with an escaped NUL PostgreSQL makes no text.
pub(super) async fn erase(
    tx: &mut TenantTx,
    erasure: &Erasure,
    import: Uuid,
) -> sqlx::Result<(i32, Cursor)> {
    let mut rows = 0;
    let after = erasure.cursor.row.unwrap_or_default();
    if after == 0 {
        rows += applied(tx, import, erasure.record).await?;
    }
    let failed = sqlx::query!(
        r#"with found as (
               select row, replace(input::text, '\u0000', '\ufffd') as input from import_rows
               where import_id = $1 and outcome = 'failed' and row > $2 order by row limit $3
           ), weighed as (
               select row, input, sum(octet_length(input)) over (order by row) - octet_length(input) as before from found
           ), page as materialized (
               select row, input from weighed where before < $8 or before is null
           ), erased as (
               update import_rows r set input = null, details = null
               from page p
               where r.import_id = $1 and r.row = p.row
                 -- What is in one of its texts is in all of it, too, but for escapes: most rows need not be taken apart.
                 and case when strpos(p.input, '\') > 0
                            or exists (select from unnest($4::text[]) word where strpos(lower(p.input), word) > 0)
                     then exists (
                         select from regexp_matches(p.input, $6, 'g') token
                         cross join lateral lower(token[1]::json #>> '{}') said
                         cross join unnest($4::text[]) word
                         where btrim(said, $7) = word
                            -- Within a text it stands for itself: 10234 is not in 102345.
                            or case when length(word) >= $5 and strpos(said, word) > 0
                               then said ~ ('(^|[^[:alnum:]])' || regexp_replace(word, '([^[:alnum:]])', '\\\1', 'g') || '($|[^[:alnum:]])')
                               else false end)
                     else false end
               returning r.row
           )
           select max(row) as last, (select count(*) from erased) as "erased!",
                  count(*) = $3 or count(*) < (select count(*) from found) as "more!" from page"#,
        import,
        after,
        BATCH,
        &erasure.sought,
        TELLING,
        TOKEN,
        WHITE,
        BYTES,
    )
    .fetch_one(tx.conn())
    .await?;
    rows += i32::try_from(failed.erased).unwrap_or(i32::MAX);
    let next = if failed.more {
        Cursor { row: failed.last, ..erasure.cursor }
    } else {
        Cursor { id: Some(import), row: None, at: None }
    };
    Ok((rows, next))
}

/// Rows that made or changed the contact: an undo finds it gone and has nothing to put back.
async fn applied(tx: &mut TenantTx, import: Uuid, contact: Uuid) -> sqlx::Result<i32> {
    let erased = sqlx::query!(
        "update import_rows set before = null, input = null, contact = null
         where import_id = $1 and contact_id = $2 and outcome in ('created', 'updated')
           and num_nonnulls(before, input, contact) > 0",
        import,
        contact,
    );
    Ok(count(&erased.execute(tx.conn()).await?))
}
