//! How the database finds what lists ask for: every list of the route table, with every filter, sort and cursor, on
//! tables with many rows of two tenants. PostgreSQL itself tells the plan of each statement that the api sends, and how
//! many rows it read. A list that comes later is covered by its entry in the route table.

mod crowd;
pub mod explained;

use api::http::routes::Route;
use api::list::{Column, Kind, List, Operator};
use serde_json::Value;
use tests::kit::{Page, Tenant, TestApp};
use url::form_urlencoded::Serializer;

use crate::isolation::generator::World;
use crate::isolation::http::caller;
use crate::isolation::probes::{PROBES, Probe};
use explained::{Explained, Statement};

/// The tenant's rows in the table of each list: more than a count ever reads.
const ROWS: u32 = 11_000;

/// What a count reads, and the page beside it.
const MOST_READ: f64 = 10_100.0;

/// What a list must be for every statement of its to begin at an index.
const INSTRUCTIONS: &str = "\
give the column an index (tenant_id, column, id), partial if the list's condition is, on a type whose comparisons are \
leakproof (not numeric, not citext): docs/adding-a-resource.md, docs/decisions/0004";

struct Subject {
    tenant: Tenant,
    plans: Explained,
    path: String,
    list: &'static List,
    faults: Vec<String>,
}

type Query<'a> = Vec<(&'a str, &'a str)>;

impl Subject {
    /// Asks, and keeps what is wrong with how it was answered. The answer's next cursor comes back.
    async fn ask(&mut self, query: &Query<'_>) -> Option<String> {
        let text = Serializer::new(String::new()).extend_pairs(query).finish();
        let (page, statements) = self.page(&text).await;
        // Without a filter the index is the list: nothing is sorted, and no more is read than shown.
        let plain = !query.iter().any(|(name, _)| !["sort", "pageSize", "cursor"].contains(name));
        for statement in &statements {
            for fault in faults(statement, plain) {
                self.faults.push(format!("{}?{text}: {fault} in\n{}", self.path, statement.text));
            }
        }
        page.pagination["nextCursor"].as_str().map(ToOwned::to_owned)
    }

    /// A page, and how it was found.
    async fn page(&self, query: &str) -> (Page, Vec<Statement>) {
        self.plans.forget();
        let page = self.tenant.get(&format!("{}?{query}", self.path)).await.page();
        (page, self.plans.taken_with(is_of_the_page).await)
    }

    /// A list's every sort either way, every filter with each of them, and the cursors behind them.
    async fn ask_everything(&mut self) {
        let list = self.list;
        let (middle, _) = self.page("pageSize=1&page=5000").await;
        let middle = middle.items.into_iter().next();
        let middle = middle.unwrap_or_else(|| panic!("{} has no record in its middle", self.path));
        let mut filters = vec![("ids".to_owned(), text(&middle["id"], Kind::Id))];
        if list.search.is_some() {
            filters.push(("q".to_owned(), "nobody is called so".to_owned()));
        }
        for column in list.columns {
            for operator in column.operators() {
                filters.push((operator.parameter(column.name), value(column, *operator, &middle)));
            }
        }
        let first = list.default_sort;
        for sort in list.sorts.iter().flat_map(|(name, _)| [(*name).to_owned(), format!("-{name}")])
        {
            let sorted = ("sort", &*sort);
            self.ask(&vec![sorted, ("pageSize", "2")]).await;
            let deep = vec![sorted, ("page", "4000"), ("pageSize", "2")];
            if let Some(cursor) = self.next_cursor(&deep).await {
                self.ask(&vec![("cursor", &*cursor), ("pageSize", "2")]).await;
            }
            // An index is read either way; that filters know the direction is looked at once.
            if sort.starts_with('-') && sort != first {
                continue;
            }
            for (name, value) in &filters {
                let filter = (&**name, &**value);
                let page = vec![sorted, filter, ("pageSize", "2")];
                if let Some(cursor) = self.ask(&page).await
                    && sort == first
                {
                    self.ask(&vec![("cursor", &*cursor), filter, ("pageSize", "2")]).await;
                }
            }
        }
    }

    /// The cursor alone: a page so deep reads all before it, as documented.
    async fn next_cursor(&self, query: &Query<'_>) -> Option<String> {
        let text = Serializer::new(String::new()).extend_pairs(query).finish();
        let (page, _) = self.page(&text).await;
        page.pagination["nextCursor"].as_str().map(ToOwned::to_owned)
    }
}

/// Whether it finds the page itself, not what is looked up beside it.
fn is_of_the_page(statement: &Statement) -> bool {
    statement.text.contains(" as cursor_value")
}

fn faults(statement: &Statement, plain: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let plain = plain && is_of_the_page(statement);
    for node in &statement.nodes {
        // A day's partition that is empty is best scanned.
        if node.kind.ends_with("Seq Scan") && crowd::is_large(&node.table) && node.read > 0.0 {
            faults.push(format!("a sequential scan of {}", node.table));
        }
        if crowd::is_left_empty(&node.table) {
            faults.push(format!("no rows in {}: take it out of crowd::UNREAD", node.table));
        }
        if node.read > MOST_READ {
            faults.push(format!("{} of {} reads {} rows", node.kind, node.table, node.read));
        }
        if plain && node.read > 3.0 {
            faults.push(format!("{} of {} rows for a page of 2", node.kind, node.read));
        }
    }
    faults
}

/// A value of the record's own where it has one.
fn text(value: &Value, kind: Kind) -> String {
    match (value, kind) {
        (Value::String(text), Kind::Phone) if !text.starts_with('+') => "+493012345678".into(),
        (Value::String(text), Kind::OneOf(words)) if !words.contains(&&**text) => words[0].into(),
        (_, Kind::Event) => "contact.*".into(),
        (Value::String(text), _) => text.clone(),
        (Value::Number(number), _) => number.to_string(),
        (Value::Bool(truth), _) => truth.to_string(),
        (_, Kind::OneOf(words)) => words[0].to_owned(),
        (_, Kind::Time) => "2026-01-03T00:00:00Z".into(),
        (_, Kind::Integer | Kind::Number(_)) => "7".into(),
        (_, Kind::Bool) => "true".into(),
        (_, Kind::Id) => uuid::Uuid::nil().to_string(),
        (_, Kind::Phone) => "+493012345678".into(),
        (_, Kind::Folded | Kind::Exact) => "nobody".into(),
    }
}

fn value(column: &Column, operator: Operator, middle: &Value) -> String {
    let one = text(&middle[column.name], column.kind);
    if operator == Operator::In { format!("{one},{one}") } else { one }
}

/// The tables whose records have a list inside them: all of it in the same one.
fn parents() -> Vec<&'static str> {
    let lists = api::routes().into_iter().filter(|route| route.doc.list.is_some());
    // A user's own sessions are inside the user, whom no path names.
    lists.flat_map(|route| probe(&route).ids.iter().copied()).chain(["users"]).collect()
}

fn probe(route: &Route) -> &'static Probe {
    let name = format!("{} {}", route.method, route.path);
    PROBES.iter().find(|probe| probe.route == name).expect("every route has a probe")
}

/// The route's path with the ids of the tenant's own records.
fn path(route: &Route, world: &World) -> String {
    let mut path = route.path.clone();
    for table in probe(route).ids {
        let (from, to) = (path.find('{').unwrap(), path.find('}').unwrap());
        path.replace_range(from..=to, world[*table]["id"].as_str().unwrap());
    }
    path
}

#[tokio::test]
async fn no_list_ever_scans_a_table_or_sorts_more_than_it_shows_without_a_filter() {
    let (plans, _guard) = Explained::listening();
    let app = TestApp::start().await;
    Explained::switch_on(&app.database, "crm_app").await;
    let tenant = app.tenant("acme").await;
    let world = crowd::fill(&app.database, tenant.id, ROWS, &parents()).await;

    let mut faults = Vec::new();
    let mut lists = 0;
    for route in api::routes() {
        let Some(list) = route.doc.list else { continue };
        let tenant = caller(&tenant, &route, &world).await;
        let (plans, path) = (plans.clone(), path(&route, &world));
        let mut subject = Subject { tenant, plans, path, list, faults: Vec::new() };
        subject.ask_everything().await;
        faults.append(&mut subject.faults);
        lists += 1;
    }
    assert!(lists >= 3, "the lists have left the route table");
    assert!(faults.is_empty(), "{INSTRUCTIONS}\n\n{}", faults.join("\n\n"));
}

/// Columns that can be null, in records that the list with this sort leaves out.
const LISTED_WITH: [&str; 1] = ["deleted_at"];

#[tokio::test]
async fn a_sort_has_the_kind_of_its_filter_and_a_column_that_is_never_null() {
    let app = TestApp::start().await;
    let nullable: Vec<String> = sqlx::query_scalar(
        "select attname::text from pg_attribute a join pg_class c on c.oid = a.attrelid
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and attnum > 0
         group by attname having bool_and(not attnotnull)",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    for list in api::routes().iter().filter_map(|route| route.doc.list) {
        for (name, column) in list.sorts {
            assert!(list.columns.iter().any(|one| one.name == *name), "{name} is no filter");
            assert!(
                !nullable.iter().any(|one| one == column) || LISTED_WITH.contains(column),
                "{column} can be null, where a cursor cannot stand: sort by a generated column"
            );
        }
    }
}
