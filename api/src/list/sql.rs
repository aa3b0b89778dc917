//! The SQL of lists, put together at run time. Columns come from the resource's own table, values are
//! always bound.

use shared::TenantTx;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{FromRow, QueryBuilder};

use super::{Filter, FilterValue, ListQuery, Operator};
use crate::http::answer::{Listed, Pagination};

/// Lists are counted exactly to here; see [`Pagination::total_is_estimate`].
const MAX_COUNT: i64 = 10_000;

/// What a list selects from: all parts are constants of the resource.
pub struct Source {
    /// The selected columns.
    pub columns: &'static str,
    /// The table.
    pub table: &'static str,
    /// A condition that always holds, such as `deleted_at is null`.
    pub condition: &'static str,
    /// A column that must equal a given id, for lists inside a record.
    pub inside: Option<(&'static str, uuid::Uuid)>,
}

impl ListQuery {
    /// Fetches the page and counts the list.
    ///
    /// # Errors
    /// The database's.
    pub async fn fetch<T>(&self, tx: &mut TenantTx, source: &Source) -> sqlx::Result<Listed<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut query = QueryBuilder::new("select ");
        query.push(source.columns);
        self.push_from(&mut query, source);
        let direction = if self.descending { "desc" } else { "asc" };
        query.push(format_args!(" order by {} {direction}, id {direction} limit ", self.sort));
        query.push_bind(self.size).push(" offset ").push_bind((self.page - 1) * self.size);
        let items: Vec<T> = query.build_query_as().fetch_all(tx.conn()).await?;

        let total = self.count(tx, source, items.len()).await?;
        let pagination = Pagination {
            total: total.min(MAX_COUNT),
            page: self.page,
            page_size: self.size,
            pages: total.min(MAX_COUNT).div_euclid(self.size)
                + i64::from(total.min(MAX_COUNT) % self.size > 0),
            total_is_estimate: total > MAX_COUNT,
        };
        Ok(Listed { items, pagination })
    }

    /// A first page that is not full is its own count.
    async fn count(&self, tx: &mut TenantTx, source: &Source, fetched: usize) -> sqlx::Result<i64> {
        let fetched = i64::try_from(fetched).unwrap_or(i64::MAX);
        if self.page == 1 && fetched < self.size {
            return Ok(fetched);
        }
        let mut query = QueryBuilder::new("select count(*) from (select 1");
        self.push_from(&mut query, source);
        query.push(" limit ").push_bind(MAX_COUNT + 1).push(") counted");
        query.build_query_scalar().fetch_one(tx.conn()).await
    }

    fn push_from(&self, query: &mut QueryBuilder<Postgres>, source: &Source) {
        query.push(format_args!(" from {} where {}", source.table, source.condition));
        if let Some((column, id)) = source.inside {
            query.push(format_args!(" and {column} = ")).push_bind(id);
        }
        if let Some((function, q)) = &self.search {
            query.push(format_args!(" and id = any (array(select {function}(lower("));
            query.push_bind(q.clone()).push("), ").push_bind(search_limit()).push(")))");
        }
        for filter in &self.filters {
            push_filter(query, filter);
        }
    }
}

/// One more than is counted, so that a longer answer is known to be longer.
fn search_limit() -> i32 {
    i32::try_from(MAX_COUNT + 1).unwrap_or(i32::MAX)
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    let sign = match filter.operator {
        Operator::Is => "=",
        Operator::In => "in",
        Operator::Above => ">",
        Operator::From => ">=",
        Operator::Below => "<",
        Operator::UpTo => "<=",
    };
    query.push(format_args!(" and {} {sign} (", filter.column));
    for (place, value) in filter.values.iter().enumerate() {
        if place > 0 {
            query.push(", ");
        }
        match value {
            FilterValue::Text(text) => query.push_bind(text.clone()),
            FilterValue::Folded(text) => query.push("lower(").push_bind(text.clone()).push(")"),
            FilterValue::Time(time) => query.push_bind(*time),
        };
    }
    query.push(")");
}
