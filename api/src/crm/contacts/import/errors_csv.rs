//! `errors.csv`: the rows that failed, as they were sent, each with why. Columns that begin with `_` are passed over
//! when the file is sent again, unless a mapping names them.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use serde_json::value::RawValue;
use shared::TenantTx;
use shared::id::ImportId;
use shared::import::{RowError, rows};
use tracing::Span;

use super::rows::{FIELDS, REST};
use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Result};

/// Rows that are read at once.
const PAGE: i64 = 100;
/// The most columns besides those of contacts.
const MOST_COLUMNS: usize = 200;
/// The column of rows that are no objects: they are there as they were sent.
const WHOLE: &str = "_input";
/// What the file adds to each row; a file that is sent again has them of the time before.
const ADDED: [&str; 3] = ["_row", "_line", "_errors"];

/// The columns of the file: those that all its rows have together, and one for rows that have none.
pub(super) async fn columns(tx: &mut TenantTx, id: ImportId) -> Result<Vec<String>> {
    let (mut names, mut whole, mut after) = (BTreeSet::new(), false, Some(0));
    while let Some(last) = after {
        let page = rows::failed(tx, id, last, PAGE).await?;
        for members in page.iter().map(members) {
            whole |= members.is_none();
            let names_of = members.unwrap_or_default().into_keys();
            names.extend(names_of.filter(|name| name != WHOLE && !ADDED.contains(&name.as_str())));
        }
        let (known, others): (BTreeSet<_>, BTreeSet<_>) =
            names.into_iter().partition(|name| name == REST || FIELDS.contains(&name.as_str()));
        names = known.into_iter().chain(others.into_iter().take(MOST_COLUMNS)).collect();
        after = page.last().map(|row| row.row);
    }
    if names.is_empty() {
        names.extend(FIELDS.map(str::to_owned));
    }
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_key(|name| FIELDS.iter().position(|field| field == name).unwrap_or(FIELDS.len()));
    names.extend(whole.then(|| WHOLE.to_owned()));
    Ok(names)
}

/// What a row said, by name; none for what is no object.
fn members(row: &RowError) -> Option<BTreeMap<String, Box<RawValue>>> {
    row.input.as_ref().and_then(|input| serde_json::from_str(input.get()).ok())
}

/// The file, page by page.
pub(super) fn body(app: App, caller: Caller, id: ImportId, columns: Vec<String>) -> Body {
    let start = (app, caller, columns, Some(None));
    let span = Span::current();
    let pages = stream::try_unfold(start, move |(app, caller, columns, after)| async move {
        let Some(after) = after else { return Ok::<_, Error>(None) };
        let mut text = String::new();
        if after.is_none() {
            let names = columns.iter().map(String::as_str);
            write(&mut text, names.chain(ADDED));
        }
        let mut tx = app.begin(&caller).await?;
        let page = rows::failed(&mut tx, id, after.unwrap_or(0), PAGE).await;
        let page = tx.finish(page).await?;
        for row in &page {
            write(&mut text, cells(&columns, row).iter().map(String::as_str));
        }
        let next = page.last().map(|row| Some(row.row));
        Ok(Some((Bytes::from(text), (app, caller, columns, next))))
    });
    // The head has gone out by then: whoever downloads sees the answer break off.
    Body::from_stream(pages.inspect_err(move |error| {
        span.in_scope(|| tracing::error!(error = error.chain(), "errors.csv broke off"));
    }))
}

fn cells(columns: &[String], row: &RowError) -> Vec<String> {
    let input = members(row);
    let mut cells: Vec<String> = columns
        .iter()
        .map(|column| match &input {
            Some(input) => input.get(column).map(|value| text(value)).unwrap_or_default(),
            None if column == WHOLE => row.input.as_deref().map(text).unwrap_or_default(),
            None => String::new(),
        })
        .collect();
    let errors: Vec<_> =
        row.details.iter().map(|(field, what)| format!("{field}: {what}")).collect();
    cells.push(row.row.to_string());
    cells.push(row.line.map(|line| line.to_string()).unwrap_or_default());
    cells.push(errors.join("; "));
    cells
}

/// A string without its quotes; all else as it was written.
fn text(value: &RawValue) -> String {
    match value.get() {
        "null" => String::new(),
        other => serde_json::from_str(other).unwrap_or_else(|_| other.to_owned()),
    }
}

fn write<'a>(text: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        if cell.contains([',', ';', '\t', '"', '\r', '\n']) {
            text.extend(["\"", &cell.replace('"', "\"\""), "\""]);
        } else {
            text.push_str(cell);
        }
    }
    text.push_str("\r\n");
}
