//! The indexes of the schema: which the migrations make, and which are invalid.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::migrate::MIGRATOR;

/// The indexes that the migrations leave behind, by their own words.
pub(super) fn wanted() -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for migration in MIGRATOR.iter() {
        let code: Vec<&str> = migration
            .sql
            .as_str()
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .collect();
        for statement in code.join("\n").split(';') {
            let words: Vec<&str> =
                statement.split([' ', '\n', ',']).filter(|word| !word.is_empty()).collect();
            match words.as_slice() {
                ["create", "index", rest @ ..] | ["create", "unique", "index", rest @ ..] => {
                    let name = rest
                        .iter()
                        .find(|word| !["concurrently", "if", "not", "exists"].contains(word));
                    wanted.extend(name.map(|name| (*name).to_owned()));
                }
                ["drop", "index", rest @ ..] => {
                    for name in rest {
                        wanted.remove(*name);
                    }
                }
                ["alter", "index", old, "rename", "to", new] if wanted.remove(*old) => {
                    wanted.insert((*new).to_owned());
                }
                _ => {}
            }
        }
    }
    wanted
}

/// Indexes whose build, by `create` or `reindex … concurrently`, was interrupted or goes on.
pub(super) async fn invalid(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "select c.relname::text from pg_index i join pg_class c on c.oid = i.indexrelid
         where c.relnamespace = 'public'::regnamespace and not (i.indisvalid and i.indisready)
         order by 1",
    )
    .fetch_all(conn)
    .await
}

/// Whether somebody else makes an index in this database now.
pub(super) async fn are_made(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists (select from pg_stat_progress_create_index
                        where datname = current_database() and pid <> pg_backend_pid())",
    )
    .fetch_one(conn)
    .await
}

/// The index beside which an interrupted `reindex … concurrently` has left this one.
pub(super) fn leftover_of(name: &str) -> Option<&str> {
    let (whole, number) = name.rsplit_once("_ccnew").or_else(|| name.rsplit_once("_ccold"))?;
    number.chars().all(|digit| digit.is_ascii_digit()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_indexes_are_those_that_no_later_migration_drops() {
        let wanted = wanted();
        assert!(wanted.len() > 60, "{wanted:?}");
        for name in ["contacts_external_id_taken", "webhook_queue_due", "contacts_deleted"] {
            assert!(wanted.contains(name), "{name}");
        }
        assert!(!wanted.contains("webhook_events_due"), "it was dropped for good");
        assert!(!wanted.contains("if"), "a word of its statement");
    }

    #[test]
    fn what_a_reindex_leaves_says_beside_what() {
        assert_eq!(leftover_of("contacts_deleted_ccnew"), Some("contacts_deleted"));
        assert_eq!(leftover_of("contacts_deleted_ccold12"), Some("contacts_deleted"));
        assert_eq!(leftover_of("contacts_deleted"), None);
        assert_eq!(leftover_of("contacts_ccnews"), None);
    }
}
