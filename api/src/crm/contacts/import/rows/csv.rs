//! CSV (RFC 4180): a header, then one row per record. Columns are divided by what divides the header: commas,
//! semicolons or tabs. An empty cell says nothing. Columns that begin with `_` are passed over, so that the file of
//! failed rows can be sent back.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufReader, Cursor, Read as _};

use shared::import::Fault;

use super::records::{Record, Records};
use super::source::{self, Source};
use super::{FIELDS, LONGEST, Mapping, REST, Raw, Sink, divider, text_of};
use crate::error::{Details, Error, Result};
use crate::http::json::{Members, Value};

/// Columns that the api's own exports have and that it sets by itself.
const READ_ONLY: [&str; 6] = ["id", "tenantId", "createdAt", "updatedAt", "version", "phoneE164"];
const BOM: &[u8] = b"\xef\xbb\xbf";

pub(super) fn read(source: Source, mapping: &Mapping, sink: &mut Sink) -> Result<()> {
    let mut text = BufReader::new(source);
    let mut first = Vec::new();
    text.by_ref().take(LONGEST as u64).read_to_end(&mut first).map_err(source::unbroken)?;
    let first = first.strip_prefix(BOM).unwrap_or(&first).to_vec();
    let delimiter = divider::of(&first);
    let mut records = Records::new(Cursor::new(first).chain(text), delimiter);
    let divider = char::from(delimiter).to_string();
    let headers = names(records.next()?)?;
    let columns = columns(&headers, mapping)?;
    while let Some(Record { line, cells }) = records.next()? {
        let members = if cells.len() != headers.len() {
            let what = format!("Has {} cells, the header has {}", cells.len(), headers.len());
            Err(Fault::field("row", what))
        } else if cells.iter().any(|cell| std::str::from_utf8(cell).is_err()) {
            Err(Fault::field("row", "Must be UTF-8"))
        } else {
            Ok(())
        };
        let cells: Vec<_> = cells.iter().map(|cell| String::from_utf8_lossy(cell)).collect();
        let members = members.map(|()| members_of(&columns, &cells));
        let mut input: BTreeMap<&str, &str> =
            headers.iter().map(String::as_str).zip(cells.iter().map(AsRef::as_ref)).collect();
        let rest = cells.get(headers.len()..).unwrap_or_default().join(&divider);
        if cells.len() > headers.len() {
            input.insert(REST, &rest);
        }
        sink.take(Raw { line: Some(line), input: text_of(&input), members })?;
    }
    Ok(())
}

fn names(header: Option<Record>) -> Result<Vec<String>> {
    let missing = "The file needs a header with the names of its columns";
    let header = header.ok_or_else(|| Error::BadRequest(missing.into()))?;
    let name = |cell: Vec<u8>| String::from_utf8(cell).ok().filter(|name| !name.contains('\0'));
    let names: Option<Vec<_>> = header.cells.into_iter().map(name).collect();
    let names = names.ok_or_else(|| Error::BadRequest("The file must be UTF-8".into()))?;
    Ok(names.into_iter().map(|name| name.trim().to_owned()).collect())
}

/// The field of each column: by the mapping, else by its own name in any case and with any signs between its words.
fn columns(headers: &[String], mapping: &Mapping) -> Result<Vec<Option<&'static str>>> {
    let (mut faults, mut fields) = (Details::new(), Vec::new());
    // A set, because a mapping may have 20,000 names and a header 11,000.
    let there: HashSet<&String> = headers.iter().collect();
    for name in mapping.keys().filter(|name| !there.contains(name)) {
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

fn members_of(columns: &[Option<&'static str>], cells: &[std::borrow::Cow<'_, str>]) -> Members {
    let filled = columns.iter().zip(cells).filter(|(_, cell)| !cell.trim().is_empty());
    filled
        .filter_map(|(field, cell)| Some(((*field)?.to_owned(), Value::String(cell.to_string()))))
        .collect()
}
