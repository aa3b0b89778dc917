//! `q`: a text that few rows contain is found in the trigram index. One that many contain is met soon by walking the
//! list in its own order, and only so are its first rows the first (docs/decisions/0004).

use shared::TenantTx;
use sqlx::QueryBuilder;
use sqlx::postgres::Postgres;
use uuid::Uuid;

use super::query::ListQuery;
use super::total::MAX_COUNT;

/// What `q` leaves of a list.
pub(super) enum Found {
    /// Everything: nothing is looked for.
    All,
    /// These rows.
    Among(Vec<Uuid>),
    /// More than [`MAX_COUNT`]: those whose column is like the pattern.
    Like(&'static str, String),
}

impl ListQuery {
    /// Looks for `q`.
    pub(super) async fn search(&self, tx: &mut TenantTx) -> sqlx::Result<Found> {
        let Some((search, q)) = &self.search else { return Ok(Found::All) };
        tx.open().await?;
        let pattern = pattern(q);
        let mut query = QueryBuilder::new("select ");
        query.push(search.function).push("(lower(").push_bind(pattern.clone()).push("), ");
        query.push_bind(MAX_COUNT).push(")");
        let ids: Option<Vec<Uuid>> = query.build_query_scalar().fetch_one(tx.conn()).await?;
        Ok(ids.map_or(Found::Like(search.column, pattern), Found::Among))
    }
}

impl Found {
    /// The condition, which begins with `and`.
    pub(super) fn push(&self, query: &mut QueryBuilder<Postgres>) {
        match self {
            Self::All => {}
            Self::Among(ids) => {
                query.push(" and id = any (").push_bind(ids.clone()).push(")");
            }
            Self::Like(column, pattern) => {
                query.push(format_args!(" and {column} like lower("));
                query.push_bind(pattern.clone()).push(")");
            }
        }
    }
}

/// What is like every text that contains `q`.
fn pattern(q: &str) -> String {
    let escaped = q.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_patterns_are_escaped() {
        assert_eq!(pattern(r"50% a_b\"), r"%50\% a\_b\\%");
    }
}
