//! `docs/architecture.md` knows every table that there is, and no other.

use std::collections::BTreeSet;

use tests::kit::Database;

use crate::architecture::source::file;

/// The backticked names of the rows of the section about tables, in their second column.
fn documented() -> BTreeSet<String> {
    let text = file("docs/architecture.md").unwrap().text;
    let section = text.split("\n## Tables\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let columns = rows.filter_map(|line| line.split('|').nth(2));
    columns.flat_map(|names| names.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_table_is_in_the_overview_of_tables_and_no_other() {
    let database = Database::migrated().await;
    let tables = "select c.relname::text from pg_class c where c.relkind in ('r', 'p')
        and c.relnamespace = 'public'::regnamespace and not c.relispartition
        and c.relname <> '_sqlx_migrations'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(database.admin()).await.unwrap();
    assert_eq!(documented(), tables.into_iter().collect());
}
