//! The rows of an upload, read piece by piece: memory is bounded by a few batches, however long the file is.
//! Reading is synchronous, on a thread of its own, between two bounded channels.

mod csv;
mod divider;
mod json;
mod ndjson;
mod records;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use shared::contacts::ContactPatch;
use shared::import::chunks::Sent;
use shared::import::{BATCH, Fault};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::options::Options;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::json::{Members, Value};
pub(super) use source::Source;

/// What a row of a file has beyond the columns of its header, as it was sent.
pub(super) const REST: &str = "_rest";

/// What a row can say.
pub(super) const FIELDS: [&str; 6] =
    ["name", "email", "phone", "company", "companyId", "externalId"];

/// The longest row in bytes.
const LONGEST: usize = 64 * 1024;
/// Rows are handed on when they have so many bytes together: 1 MiB.
const FULL: usize = 1024 * 1024;

/// Which column of a file is which field; `None` leaves the column out.
pub(super) type Mapping = BTreeMap<String, Option<String>>;

/// The form of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `{"contacts": […]}`.
    Json,
    /// One object per line.
    Ndjson,
    /// A header and lines, divided by commas, semicolons or tabs.
    Csv(Mapping),
}

impl Format {
    /// The form that a media type names.
    pub(super) fn of(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Some(Self::Json),
            "application/x-ndjson" | "application/jsonl" => Some(Self::Ndjson),
            "text/csv" => Some(Self::Csv(Mapping::new())),
            _ => None,
        }
    }
}

/// A row as one of the formats reads it.
struct Raw {
    line: Option<u64>,
    input: String,
    members: std::result::Result<Members, Fault>,
}

/// A row, with its fields or what is wrong.
#[derive(Debug)]
pub(super) struct NewRow {
    pub sent: Sent,
    pub read: std::result::Result<ContactPatch, Fault>,
}

/// Batches of rows, and in the end whether the file was whole.
pub(super) struct Rows {
    batches: mpsc::Receiver<Vec<NewRow>>,
    reader: JoinHandle<Result<()>>,
}

impl Rows {
    /// Begins to read what comes through `source`.
    pub(super) fn read(
        format: Format,
        source: Source,
        options: Options,
        config: Arc<Config>,
    ) -> Self {
        let (sender, batches) = mpsc::channel(2);
        let reader = tokio::task::spawn_blocking(move || {
            let mut sink = Sink { sender, batch: Vec::new(), bytes: 0, count: 0, options, config };
            match format {
                Format::Json => json::read(source, &mut sink)?,
                Format::Ndjson => ndjson::read(source, &mut sink)?,
                Format::Csv(mapping) => csv::read(source, &mapping, &mut sink)?,
            }
            sink.flush()
        });
        Self { batches, reader }
    }

    /// The next rows.
    pub(super) async fn next(&mut self) -> Option<Vec<NewRow>> {
        self.batches.recv().await
    }

    /// After the last rows: whether the file was read to its end.
    ///
    /// # Errors
    /// What was wrong with the file as a whole.
    pub(super) async fn end(self) -> Result<()> {
        drop(self.batches);
        self.reader.await.map_err(|panicked| Error::Internal(panicked.into()))?
    }
}

/// Where the formats put their rows.
struct Sink {
    sender: mpsc::Sender<Vec<NewRow>>,
    batch: Vec<NewRow>,
    bytes: usize,
    count: usize,
    options: Options,
    config: Arc<Config>,
}

impl Sink {
    fn take(&mut self, raw: Raw) -> Result<()> {
        let (most, otherwise) = self.options.most();
        if self.count == most {
            return Err(Error::field("rows", otherwise));
        }
        self.count += 1;
        let number = i32::try_from(self.count).unwrap_or(i32::MAX);
        let read = raw.members.and_then(|members| self.read(members));
        let line = raw.line.and_then(|line| i32::try_from(line).ok());
        self.bytes += raw.input.len();
        self.batch.push(NewRow { sent: Sent { row: number, line, input: raw.input }, read });
        if self.batch.len() == BATCH || self.bytes >= FULL { self.flush() } else { Ok(()) }
    }

    fn read(&self, members: Members) -> std::result::Result<ContactPatch, Fault> {
        let mut missing = self.options.missing(&members);
        let error = match Fields::new(members, &self.config.targets).read() {
            Ok(patch) if missing.is_empty() => return Ok(patch),
            Ok(_) => Error::Invalid(missing),
            Err(Error::Invalid(faults)) => {
                missing.extend(faults);
                Error::Invalid(missing)
            }
            Err(error) => error,
        };
        Err(Fault { code: error.code(), details: error.details().unwrap_or_default() })
    }

    fn flush(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        // Nobody listens any more: the request is over.
        self.sender
            .blocking_send(batch)
            .map_err(|_| Error::BadRequest("The import was given up".into()))
    }
}

/// A row's members as JSON text.
fn text_of(input: &impl Serialize) -> String {
    serde_json::to_string(input).unwrap_or_default()
}

/// A row of JSON text. What is no strict JSON is kept as a string, so that nobody stumbles over it later.
fn row_of(line: Option<u64>, text: &str) -> Raw {
    let (input, members) = match crate::http::json::parse(text.as_bytes()) {
        Ok(Value::Object(members)) => (text.to_owned(), Ok(members)),
        Ok(_) => (text.to_owned(), Err(Fault::field("row", "Must be an object"))),
        Err(Error::InvalidJson(what)) => (text_of(&text), Err(not_json(what))),
        Err(error) => (text_of(&text), Err(not_json(error.to_string()))),
    };
    Raw { line, input, members }
}

fn not_json(what: impl Into<String>) -> Fault {
    Fault { code: "INVALID_JSON", ..Fault::field("row", what) }
}

fn too_long(line: u64) -> Error {
    Error::field(format!("line {line}"), "A row must be at most 64 KiB")
}
