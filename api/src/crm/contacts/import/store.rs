//! The SQL of lists of imports; all other is `shared::import::store`.

use crate::list::Source;

/// What lists of imports select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, tenant_id, status, mode, match_by, atomic, events, dry_run, total, processed, created, updated, skipped,
              failed, undone, kept, error, created_at, updated_at, started_at, finished_at, version",
    table: "imports",
    condition: "true",
    inside: None,
};
