//! CSV (RFC 4180): a header, then one row per record. Columns are divided by what divides the header: commas,
//! semicolons or tabs. An empty cell says nothing. Columns that begin with `_` are passed over, so that the file of
//! failed rows can be sent back.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};

use csv::{ByteRecord, ReaderBuilder};
use shared::import::Fault;

use super::source::{self, Source};
use super::{FIELDS, Mapping, Raw, Sink, text_of};
use crate::error::{Details, Error, Result};
use crate::http::json::{Members, Value};

/// Columns that the api's own exports have and that it sets by itself.
const READ_ONLY: [&str; 6] = ["id", "tenantId", "createdAt", "updatedAt", "version", "phoneE164"];
const BOM: &[u8] = b"\xef\xbb\xbf";

pub(super) fn read(source: Source, mapping: &Mapping, sink: &mut Sink) -> Result<()> {
    let mut text = BufReader::new(source);
    let start = text.fill_buf().map_err(source::unbroken)?;
    let skipped = if start.starts_with(BOM) { BOM.len() } else { 0 };
    let delimiter = delimiter(start);
    text.consume(skipped);

    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text);
    let headers = names(reader.byte_headers().map_err(broken)?)?;
    let columns = columns(&headers, mapping)?;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(broken)? {
        let line = record.position().map(csv::Position::line);
        let cells: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
        let input: BTreeMap<&str, &str> =
            headers.iter().map(String::as_str).zip(cells.iter().map(AsRef::as_ref)).collect();
        let members = if record.len() != headers.len() {
            let what = format!("Has {} cells, the header has {}", record.len(), headers.len());
            Err(Fault::field("row", what))
        } else if record.iter().any(|cell| std::str::from_utf8(cell).is_err()) {
            Err(Fault::field("row", "Must be UTF-8"))
        } else {
            Ok(members(&columns, &cells))
        };
        sink.take(Raw { line, input: text_of(&input), members })?;
    }
    Ok(())
}

/// What divides the first line most often.
fn delimiter(start: &[u8]) -> u8 {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|candidate| count(*candidate)).unwrap_or(b',')
}

fn names(headers: &ByteRecord) -> Result<Vec<String>> {
    let name = |cell: &[u8]| std::str::from_utf8(cell).map(|name| name.trim().to_owned());
    let names: std::result::Result<Vec<_>, _> = headers.iter().map(name).collect();
    match names {
        Ok(names) if names.iter().any(|name| !name.is_empty()) => Ok(names),
        Ok(_) => {
            Err(Error::BadRequest("The file needs a header with the names of its columns".into()))
        }
        Err(_) => Err(Error::BadRequest("The file must be UTF-8".into())),
    }
}

/// The field of each column: by the mapping, else by its own name in any case and with any signs between its words.
fn columns(headers: &[String], mapping: &Mapping) -> Result<Vec<Option<&'static str>>> {
    let (mut faults, mut fields) = (Details::new(), Vec::new());
    for name in mapping.keys().filter(|name| !headers.contains(name)) {
        faults.insert(format!("mapping[{name}]"), "No such column in the file".to_owned());
    }
    for header in headers {
        let field = match mapping.get(header) {
            Some(None) => None,
            Some(Some(field)) => FIELDS.iter().copied().find(|known| known == field),
            None if header.starts_with('_') => None,
            None => FIELDS.iter().copied().find(|known| plain(known) == plain(header)),
        };
        let wanted = mapping.get(header).is_none_or(Option::is_some)
            && !header.starts_with('_')
            && !READ_ONLY.contains(&header.as_str());
        if field.is_none() && wanted {
            let what = format!("Must be one of {}, or left out by the mapping", FIELDS.join(", "));
            faults.insert(format!("columns[{header}]"), what);
        } else if field.is_some() && fields.contains(&field) {
            faults.insert(format!("columns[{header}]"), "Is there twice".to_owned());
        }
        fields.push(field);
    }
    if faults.is_empty() { Ok(fields) } else { Err(Error::Invalid(faults)) }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn members(columns: &[Option<&'static str>], cells: &[std::borrow::Cow<'_, str>]) -> Members {
    let filled = columns.iter().zip(cells).filter(|(_, cell)| !cell.trim().is_empty());
    filled
        .filter_map(|(field, cell)| Some(((*field)?.to_owned(), Value::String(cell.to_string()))))
        .collect()
}

fn broken(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => source::unbroken(error),
        other => Error::BadRequest(format!("The file is not CSV: {other:?}").into()),
    }
}
