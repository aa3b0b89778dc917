//! Imports of contacts. A small one is carried out by the request that brings it; of a large one the api keeps the
//! rows and the worker applies them, batch by batch ([`run`]). Both do it by [`apply`], and both undo by [`undo`].

pub mod apply;
mod batch;
pub mod chunks;
pub mod rows;
pub mod run;
pub mod store;
pub mod undo;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::changes::Tracked;
use crate::clock;
use crate::id::{ImportId, TenantId};
use crate::{described_words, stored_words, words};

/// Rows that are applied together.
pub const BATCH: usize = 1_000;
/// The most rows that are applied while the caller waits.
pub const INLINE: usize = 1_000;
/// The most rows of an import.
pub const MOST: usize = 100_000;
/// The most rows of an import that is one transaction.
pub const MOST_AT_ONCE: usize = 10_000;
/// How long a finished import can be undone.
pub const UNDOABLE: TimeDelta = TimeDelta::hours(24);

words! {
    /// What is done with rows of contacts that are there already.
    pub enum Mode {
        /// Every row is a new contact.
        Create = "create",
        /// A row changes the contact that it matches, or is a new one.
        Upsert = "upsert",
        /// A row that matches a contact is passed over.
        Skip = "skip",
    }
}

words! {
    /// What a row and a contact have in common when they match.
    pub enum MatchBy {
        /// The e-mail address, in any case.
        Email = "email",
        /// The external id.
        ExternalId = "externalId",
    }
}

words! {
    /// How far an import is.
    pub enum Status {
        /// Its rows are arriving.
        Uploading = "uploading",
        /// It waits for a worker.
        Queued = "queued",
        /// A worker has begun.
        Running = "running",
        /// Every row has its outcome.
        Completed = "completed",
        /// It was ended; see `error`.
        Failed = "failed",
        /// It is being taken back.
        Undoing = "undoing",
        /// It has been taken back.
        Undone = "undone",
    }
}

words! {
    /// What became of a row.
    pub enum Outcome {
        /// A new contact.
        Created = "created",
        /// A changed contact.
        Updated = "updated",
        /// Nothing to do.
        Skipped = "skipped",
        /// It was not taken.
        Failed = "failed",
    }
}
stored_words!(Mode, MatchBy, Status, Outcome);
described_words!(Mode as "ImportMode", MatchBy as "ImportMatchBy", Status as "ImportStatus", Outcome as "ImportOutcome");

/// An import of contacts.
#[derive(Clone, Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"status": "completed", "mode": "create", "atomic": false, "events": true, "dryRun": false,
    "total": 2, "processed": 2, "created": 1, "updated": 0, "skipped": 0, "failed": 1, "undone": 0, "kept": 0,
    "errors": [{"row": 2, "line": 3, "code": "VALIDATION_ERROR", "details": {"email": "Invalid email format"},
        "input": {"name": "Ada", "email": "ada"}}]}))]
pub struct Import {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: ImportId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// How far it is.
    pub status: Status,
    /// What is done with rows of contacts that are there already.
    pub mode: Mode,
    /// What a row and a contact have in common when they match; none when every row is new.
    pub match_by: Option<MatchBy>,
    /// Whether all rows are taken or none.
    pub atomic: bool,
    /// Whether it is announced, to webhooks and in the event log.
    pub events: bool,
    /// Whether it is only tried.
    pub dry_run: bool,
    /// Rows of the file.
    pub total: i32,
    /// Rows that have an outcome.
    pub processed: i32,
    /// Rows that made a contact.
    pub created: i32,
    /// Rows that changed one.
    pub updated: i32,
    /// Rows that changed nothing.
    pub skipped: i32,
    /// Rows that were not taken.
    pub failed: i32,
    /// Contacts that an undo has put back.
    pub undone: i32,
    /// Contacts that an undo has left alone, because they have changed since or could not be put back.
    pub kept: i32,
    /// Why it failed as a whole.
    pub error: Option<String>,
    /// The first 100 rows that were not taken; lists leave them out.
    #[sqlx(skip)]
    #[schema(extensions(("x-may-be-absent" = json!(true))))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<RowError>>,
    /// When it was begun.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last moved on.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
    /// When its first row was applied.
    #[serde(serialize_with = "clock::serialize_option")]
    pub started_at: Option<DateTime<Utc>>,
    /// When its last row was applied.
    #[serde(serialize_with = "clock::serialize_option")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Until when it can be undone.
    #[sqlx(skip)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub undoable_until: Option<DateTime<Utc>>,
    /// Counts the changes of its state, from 1.
    pub version: i32,
}

/// A row that was not taken.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowError {
    /// Its place in the file, from 1.
    pub row: i32,
    /// The line of the file that it begins on, from 1, where the format has lines.
    pub line: Option<i32>,
    /// As for whole requests.
    pub code: String,
    /// By field.
    pub details: BTreeMap<String, String>,
    /// As it was sent: an object, or the text of what is none.
    #[schema(value_type = serde_json::Value)]
    pub input: Option<Box<RawValue>>,
}

/// Why a row was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As for whole requests.
    pub code: &'static str,
    /// By field.
    pub details: BTreeMap<String, String>,
}

impl Fault {
    /// One field that breaks its rule.
    pub fn field(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self { code: "VALIDATION_ERROR", details: BTreeMap::from([(name.into(), what.into())]) }
    }
}

impl Tracked for Import {
    const TYPE: &'static str = "import";

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Import {
    /// Whether it is one transaction, of which nothing stays when it fails or is only tried.
    #[must_use]
    pub fn at_once(&self) -> bool {
        self.atomic || self.dry_run
    }

    /// Whether a worker has something to do for it.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        matches!(self.status, Status::Queued | Status::Running | Status::Undoing)
    }

    /// The same, with what follows from the rest.
    #[must_use]
    pub fn complete(mut self) -> Self {
        let ended = matches!(self.status, Status::Completed | Status::Failed);
        let undoable = ended && !self.dry_run && self.created + self.updated > 0;
        self.undoable_until = self.finished_at.filter(|_| undoable).map(|end| end + UNDOABLE);
        self
    }

    /// Counts what became of rows.
    pub fn count(&mut self, done: &[apply::Done]) {
        for done in done {
            self.processed += 1;
            *match done.outcome {
                Outcome::Created => &mut self.created,
                Outcome::Updated => &mut self.updated,
                Outcome::Skipped => &mut self.skipped,
                Outcome::Failed => &mut self.failed,
            } += 1;
        }
    }

    /// Ends it.
    pub fn end(&mut self, status: Status, now: DateTime<Utc>) {
        self.status = status;
        self.finished_at = Some(now);
    }
}
