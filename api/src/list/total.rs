//! How long a list is: exactly as far as counting is cheap, honestly beyond (docs/decisions/0011).

use shared::{TenantTx, again};

use super::query::ListQuery;
use super::search::Found;
use super::sql::{FOUND, Source, finding};

/// Lists are counted exactly to here unless asked; a search finds so many rows by its index and walks for more.
pub(super) const MAX_COUNT: i32 = 10_000;

/// The most rows that are looked at to count those with a text that many contain.
const MAX_EXAMINED: i64 = 50_000;

/// A page that was read.
#[derive(Clone, Copy)]
pub(super) struct Read {
    /// Rows on the pages before it.
    pub before: i64,
    /// Rows on it.
    pub shown: i64,
    /// Whether there are rows behind it.
    pub has_more: bool,
}

/// How long a list is.
#[derive(Clone, Copy)]
pub(super) struct Total {
    pub rows: i64,
    /// Whether it may be longer.
    pub is_least: bool,
}

impl ListQuery {
    /// How many rows the list has, of which a page has been read.
    pub(super) async fn total(
        &self,
        tx: &mut TenantTx,
        source: &Source,
        found: &Found,
        read: Read,
    ) -> sqlx::Result<Total> {
        let (reached, most) = (read.before + read.shown, i64::from(MAX_COUNT));
        if !read.has_more && (read.shown > 0 || read.before == 0) {
            return Ok(Total { rows: reached, is_least: false });
        }
        let rows = match found {
            Found::Like(..) if self.filters.is_empty() && source.inside.is_none() => most + 1,
            Found::Like(column, _) => {
                let (examined, rows) = self.examine(tx, source, found, column).await?;
                if examined == MAX_EXAMINED {
                    let rows = if read.has_more { rows.max(reached + 1) } else { rows };
                    return Ok(Total { rows: rows.min(most), is_least: true });
                }
                rows
            }
            Found::All | Found::Among(_) => self.count(tx, source, found).await?,
        };
        let is_least = !self.exact && rows > most;
        Ok(Total { rows: if is_least { most } else { rows }, is_least })
    }

    async fn count(&self, tx: &mut TenantTx, source: &Source, found: &Found) -> sqlx::Result<i64> {
        let tenant = tx.tenant();
        let counting = || {
            let mut query = finding(tenant);
            query.push("select count(*) from (select 1");
            self.push_from(&mut query, source, found);
            if !self.exact {
                query.push(" limit ").push_bind(MAX_COUNT + 1);
            }
            query.push(") counted").push(FOUND);
            query
        };
        again!(tx, |conn| counting().build_query_scalar().fetch_one(conn))
    }

    /// How many rows were looked at, and how many of them are like the pattern.
    async fn examine(
        &self,
        tx: &mut TenantTx,
        source: &Source,
        found: &Found,
        column: &str,
    ) -> sqlx::Result<(i64, i64)> {
        let tenant = tx.tenant();
        let examining = || {
            let mut query = finding(tenant);
            query.push("select count(*) as examined, count(*) filter (where true");
            found.push(&mut query);
            query.push(format_args!(") as rows from (select {column}"));
            self.push_from(&mut query, source, &Found::All);
            query.push(" limit ").push_bind(MAX_EXAMINED).push(") examined").push(FOUND);
            query
        };
        again!(tx, |conn| examining().build_query_as().fetch_one(conn))
    }
}
