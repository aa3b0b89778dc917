//! `errors.csv`: the rows that failed, as they were sent, each with why. Columns that begin with `_` are passed over
//! when the file is sent again.

use std::collections::BTreeMap;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use shared::TenantTx;
use shared::id::ImportId;
use shared::import::{RowError, rows};

use super::rows::FIELDS;
use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Result};

/// Rows that are read at once.
const PAGE: i64 = 500;

/// The columns of the file: those that all its rows have together.
pub(super) async fn columns(tx: &mut TenantTx, id: ImportId) -> Result<Vec<String>> {
    let names = rows::columns(tx, id).await?;
    Ok(if names.is_empty() { FIELDS.map(str::to_owned).to_vec() } else { names })
}

/// The file, page by page.
pub(super) fn body(app: App, caller: Caller, id: ImportId, columns: Vec<String>) -> Body {
    let start = (app, caller, columns, Some(None));
    Body::from_stream(stream::try_unfold(start, move |(app, caller, columns, after)| async move {
        let Some(after) = after else { return Ok::<_, Error>(None) };
        let mut text = Vec::new();
        if after.is_none() {
            write(
                &mut text,
                columns.iter().map(String::as_str).chain(["_row", "_line", "_errors"]),
            )?;
        }
        let mut tx = app.begin(&caller).await?;
        let page = rows::failed(&mut tx, id, after.unwrap_or(0), PAGE).await;
        let page = tx.finish(page).await?;
        for row in &page {
            write(&mut text, cells(&columns, row).iter().map(String::as_str))?;
        }
        let next = page.last().map(|row| Some(row.row));
        Ok(Some((Bytes::from(text), (app, caller, columns, next))))
    }))
}

fn cells(columns: &[String], row: &RowError) -> Vec<String> {
    let input = row.input.as_ref().and_then(|input| serde_json::from_str(input.get()).ok());
    let input: BTreeMap<String, Value> = input.unwrap_or_default();
    let mut cells: Vec<String> = columns
        .iter()
        .map(|column| match input.get(column) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        })
        .collect();
    let errors: Vec<_> =
        row.details.iter().map(|(field, what)| format!("{field}: {what}")).collect();
    cells.push(row.row.to_string());
    cells.push(row.line.map(|line| line.to_string()).unwrap_or_default());
    cells.push(errors.join("; "));
    cells
}

fn write<'a>(text: &mut Vec<u8>, cells: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(text);
    writer.write_record(cells).map_err(|error| Error::Internal(error.into()))?;
    writer.flush().map_err(|error| Error::Internal(error.into()))
}
