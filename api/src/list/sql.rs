//! The SQL of lists, put together at run time. Columns come from the resource's own table, values are
//! always bound.

use chrono::{DateTime, SecondsFormat, Utc};
use http::HeaderValue;
use shared::id::TenantId;
use shared::{TenantTx, again};
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{FromRow, QueryBuilder, Row as _};
use uuid::Uuid;

use super::column::Kind;
use super::cursor::Cursor;
use super::filter::Filter;
use super::operator::Operator;
use super::query::{ListQuery, MAX_DEPTH, Start};
use super::search::Found;
use super::total::Read;
use super::value::Value;
use crate::http::answer::{Listed, Pagination};

/// Begins a statement as [`shared::find!`] does: it sets its tenant itself. What is pushed next is a `select` whose
/// condition compares `tenant_id` with `caller.tenant`, with a `limit` or an aggregate, so that it cannot be merged
/// with what is around it; then [`FOUND`].
pub(super) fn finding(tenant: TenantId) -> QueryBuilder<Postgres> {
    let mut query =
        QueryBuilder::new("with caller as materialized (select set_config('app.tenant_id', ");
    query.push_bind(tenant.0);
    query.push(
        "::uuid::text, true)::uuid as tenant) select found.* from caller cross join lateral (",
    );
    query
}

/// The end of what [`finding`] begins; an order may follow.
pub(super) const FOUND: &str = ") found";

/// What a list selects from: all parts are constants of the resource.
pub struct Source {
    /// The selected columns.
    pub columns: &'static str,
    /// The table.
    pub table: &'static str,
    /// A condition that always holds, such as `deleted_at is null`.
    pub condition: &'static str,
    /// A column that must equal a given id, for lists inside a record.
    pub inside: Option<(&'static str, Uuid)>,
}

impl ListQuery {
    /// Fetches the page, and counts the list unless a cursor goes on in it.
    ///
    /// # Errors
    /// The database's.
    pub async fn fetch<T>(&self, tx: &mut TenantTx, source: &Source) -> sqlx::Result<Listed<T>>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        let found = self.search(tx).await?;
        let mut rows = self.rows(tx, source, &found).await?;
        let has_more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > self.size;
        if has_more {
            rows.pop();
        }
        let next_cursor = match rows.last() {
            Some(last) if has_more => Some(self.cursor(last)?),
            _ => None,
        };
        let total = match self.start {
            Start::Page(page) => {
                let shown = i64::try_from(rows.len()).unwrap_or(i64::MAX);
                let read = Read { before: (page - 1) * self.size, shown, has_more };
                Some(self.total(tx, source, &found, read).await?)
            }
            Start::After(..) => None,
        };
        let counted = total.map(|total| total.rows);
        let pagination = Pagination {
            total: counted,
            page: self.number(),
            page_size: self.size,
            pages: counted.map(|total| total / self.size + i64::from(total % self.size > 0)),
            total_is_estimate: total.is_some_and(|total| total.is_least),
            has_more,
            next_cursor,
        };
        let items = rows.iter().map(T::from_row).collect::<sqlx::Result<_>>()?;
        Ok(Listed { items, link: self.link(&pagination), pagination })
    }

    /// The number of the page; cursors have none.
    fn number(&self) -> Option<i64> {
        match self.start {
            Start::Page(page) => Some(page),
            Start::After(..) => None,
        }
    }

    async fn rows(
        &self,
        tx: &mut TenantTx,
        source: &Source,
        found: &Found,
    ) -> sqlx::Result<Vec<PgRow>> {
        let tenant = tx.tenant();
        again!(tx, |conn| self.page(tenant, source, found).build().fetch_all(conn))
    }

    /// One row more than the page holds, to know whether it is the last.
    fn page(&self, tenant: TenantId, source: &Source, found: &Found) -> QueryBuilder<Postgres> {
        let column = self.sort.column;
        let text = if matches!(self.sort.kind, Kind::Time) { "" } else { "::text" };
        let mut query = finding(tenant);
        query.push("select ").push(source.columns);
        query.push(format_args!(
            ", {column} as cursor_place, {column}{text} as cursor_value, id as cursor_id"
        ));
        self.push_from(&mut query, source, found);
        let (direction, sign) = if self.sort.descending { ("desc", "<") } else { ("asc", ">") };
        if let Start::After(value, id) = &self.start {
            // By the row, so that one step into the index (tenant_id, column, id) finds the place.
            query.push(format_args!(" and ({column}, id) {sign} ("));
            push_value(&mut query, value);
            query.push(", ").push_bind(*id).push(")");
        }
        query.push(format_args!(" order by {column} {direction}, id {direction} limit "));
        query.push_bind(self.size + 1);
        if let Start::Page(page) = self.start {
            query.push(" offset ").push_bind((page - 1) * self.size);
        }
        query.push(FOUND);
        query.push(format_args!(" order by cursor_place {direction}, cursor_id {direction}"));
        query
    }

    /// From `from` to the last filter.
    pub(super) fn push_from(
        &self,
        query: &mut QueryBuilder<Postgres>,
        source: &Source,
        found: &Found,
    ) {
        query.push(format_args!(
            " from {} where {} and tenant_id = caller.tenant",
            source.table, source.condition
        ));
        if let Some((column, id)) = source.inside {
            query.push(format_args!(" and {column} = ")).push_bind(id);
        }
        found.push(query);
        for filter in &self.filters {
            push_filter(query, filter);
        }
    }

    /// The cursor that goes on behind this row.
    fn cursor(&self, row: &PgRow) -> sqlx::Result<String> {
        let value = if matches!(self.sort.kind, Kind::Time) {
            let time: DateTime<Utc> = row.try_get("cursor_value")?;
            time.to_rfc3339_opts(SecondsFormat::Micros, true)
        } else {
            row.try_get("cursor_value")?
        };
        let cursor = Cursor {
            sort: self.sort.text(),
            value,
            id: row.try_get("cursor_id")?,
            filters: self.digest.clone(),
        };
        self.signer.seal(&cursor).map_err(|error| sqlx::Error::Encode(error.into()))
    }

    /// The pages beside this one, as far as pages reach; then cursors.
    fn link(&self, pagination: &Pagination) -> Option<HeaderValue> {
        let mut links = Vec::new();
        let reachable = |page: i64| page.saturating_mul(self.size) <= MAX_DEPTH;
        let mut page = |relation, page: i64| {
            if reachable(page) {
                links.push((relation, ("page", page.to_string())));
            }
        };
        if let Some(number) = pagination.page {
            page("first", 1);
            if number > 1 {
                page("prev", number - 1);
            }
            if pagination.has_more {
                page("next", number + 1);
            }
            if let Some(last) = pagination.pages.filter(|pages| *pages > 0)
                && !pagination.total_is_estimate
            {
                page("last", last);
            }
        }
        if let Some(cursor) = &pagination.next_cursor
            && !pagination.page.is_some_and(|number| reachable(number + 1))
        {
            links.push(("next", ("cursor", cursor.clone())));
        }
        self.links.header(&links)
    }
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if filter.values == [Value::Null] {
        query.push(format_args!(" and {} is null", filter.column));
        return;
    }
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
        push_value(query, value);
    }
    query.push(")");
}

fn push_value(query: &mut QueryBuilder<Postgres>, value: &Value) {
    match value {
        Value::Text(text) => query.push_bind(text.clone()),
        Value::Folded(text) => query.push("lower(").push_bind(text.clone()).push(")"),
        Value::Time(time) => query.push_bind(*time),
        Value::Whole(number) => query.push_bind(*number),
        Value::Bool(truth) => query.push_bind(*truth),
        Value::Id(id) => query.push_bind(*id),
        Value::Null => query.push("null"),
    };
}
