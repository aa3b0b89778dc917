//! The rows of an upload, read piece by piece: memory is bounded by a few batches, however long the file is.
//! Reading is synchronous, on a thread of its own, between two bounded channels.

mod csv;
mod json;
mod ndjson;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::draft::Draft;
use crate::config::Config;
use crate::error::{Details, Error, Result};
use crate::http::fields::Fields;
use crate::http::json::{Members, Value};
pub(super) use source::{Chunks, Source};

/// Rows that travel together.
pub(super) const BATCH: usize = 500;

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

/// A row as it was sent and what was understood of it.
#[derive(Debug)]
pub(super) struct Row {
    /// Its place among the rows, from 1.
    pub number: i32,
    /// The line of the file that it begins on, from 1.
    pub line: Option<i32>,
    /// As it was sent.
    pub input: String,
    /// What it says, or why it says nothing.
    pub draft: std::result::Result<Draft, Fault>,
}

/// Why a row was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// As for whole requests.
    pub code: &'static str,
    /// By field.
    pub details: Details,
}

impl Fault {
    fn row(code: &'static str, what: impl Into<String>) -> Self {
        Self { code, details: Details::from([("row".to_owned(), what.into())]) }
    }
}

/// A row as one of the formats reads it.
struct Raw {
    line: Option<u64>,
    input: String,
    members: std::result::Result<Members, Fault>,
}

/// Batches of rows, and in the end whether the file was whole.
pub(super) struct Rows {
    batches: mpsc::Receiver<Vec<Row>>,
    reader: JoinHandle<Result<()>>,
}

impl Rows {
    /// Begins to read what comes through `source`.
    pub(super) fn read(format: Format, source: Source, most: usize, config: Arc<Config>) -> Self {
        let (sender, batches) = mpsc::channel(2);
        let reader = tokio::task::spawn_blocking(move || {
            let mut sink = Sink { sender, batch: Vec::new(), count: 0, most, config };
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
    pub(super) async fn next(&mut self) -> Option<Vec<Row>> {
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
    sender: mpsc::Sender<Vec<Row>>,
    batch: Vec<Row>,
    count: usize,
    most: usize,
    config: Arc<Config>,
}

impl Sink {
    fn take(&mut self, raw: Raw) -> Result<()> {
        if self.count == self.most {
            return Err(Error::field("rows", format!("Must be at most {}", self.most)));
        }
        self.count += 1;
        let draft = raw.members.and_then(|members| {
            Fields::new(members, &self.config.targets).read::<Draft>().map_err(|error| Fault {
                code: error.code(),
                details: error.details().unwrap_or_default(),
            })
        });
        self.batch.push(Row {
            number: i32::try_from(self.count).unwrap_or(i32::MAX),
            line: raw.line.and_then(|line| i32::try_from(line).ok()),
            input: raw.input,
            draft,
        });
        if self.batch.len() == BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        // Nobody listens any more: the request is over.
        self.sender.blocking_send(batch).map_err(|_| Error::BadRequest("The import was given up".into()))
    }
}

/// A row's members as JSON text.
fn text_of(input: &impl Serialize) -> String {
    serde_json::to_string(input).unwrap_or_default()
}

/// The members of one JSON value.
fn members(text: &str) -> std::result::Result<Members, Fault> {
    match crate::http::json::parse(text.as_bytes()) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Fault::row("VALIDATION_ERROR", "Must be an object")),
        Err(error) => Err(Fault::row("INVALID_JSON", error.to_string())),
    }
}
