//! What a request brings: the form of its file, and the file's bytes. A browser's form has a part `mapping` (which
//! column is which field, as JSON) before its part `file`.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{HeaderMap, header};
use multer::{Field, Multipart};

use super::arrival::{Room, arriving};
use super::rows::{FIELDS, Format, Mapping};
use crate::error::{Details, Error, Result};
use crate::http::MAX_BODY;
use crate::http::json::{self, Value};

const TYPES: &str = "application/json, application/x-ndjson, text/csv or multipart/form-data";

/// See the module.
pub(super) struct Upload {
    pub format: Format,
    pub bytes: BoxStream<'static, std::result::Result<Bytes, Error>>,
}

impl Upload {
    /// Reads as much as is needed to know the form.
    ///
    /// # Errors
    /// A type that is not read; a form without a file.
    pub(super) async fn of(headers: &HeaderMap, body: Body) -> Result<Self> {
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default();
        if let Some(format) = Format::of(media_type) {
            return Ok(Self { format, bytes: arriving(body, Room::for_file()) });
        }
        let boundary =
            multer::parse_boundary(media_type).map_err(|_| Error::UnsupportedMediaType(TYPES))?;
        let room = Room::for_form();
        form(Multipart::new(arriving(body, room.clone()), boundary), &room).await
    }
}

async fn form(mut form: Multipart<'static>, room: &Room) -> Result<Upload> {
    let mut mapping = None;
    loop {
        let part = form.next_field().await.map_err(no_form)?;
        let part = part.ok_or_else(|| Error::field("file", "Is required"))?;
        match part.name() {
            Some("mapping") if mapping.is_none() => mapping = Some(read_mapping(part).await?),
            Some("file") => {
                let format = format_of(&part, mapping)?;
                room.file_begins();
                return Ok(Upload { format, bytes: file(part, form) });
            }
            name => {
                let name = name.unwrap_or("form").to_owned();
                return Err(Error::field(name, "Send mapping, if any, and then file, once each"));
            }
        }
    }
}

/// By what the part says it is, otherwise by the file's name; a table program's own type is CSV under Windows.
fn format_of(part: &Field<'static>, mapping: Option<Mapping>) -> Result<Format> {
    let declared = part.content_type().and_then(|media_type| Format::of(media_type.as_ref()));
    let ending = part.file_name().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    let named = match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
        "json" => Format::Json,
        "ndjson" | "jsonl" => Format::Ndjson,
        _ => Format::Csv(Mapping::new()),
    };
    match (declared.unwrap_or(named), mapping) {
        (Format::Csv(_), mapping) => Ok(Format::Csv(mapping.unwrap_or_default())),
        (_, Some(_)) => Err(Error::field("mapping", "Is for CSV only")),
        (other, None) => Ok(other),
    }
}

async fn read_mapping(part: Field<'static>) -> Result<Mapping> {
    let mut text = Vec::new();
    let mut part = part;
    while let Some(chunk) = part.chunk().await.map_err(no_form)? {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_BODY {
            return Err(Error::PayloadTooLarge(MAX_BODY));
        }
    }
    let Ok(Value::Object(members)) = json::parse(&text) else {
        return Err(Error::field("mapping", "Must be a JSON object of columns and their fields"));
    };
    let (mut mapping, mut faults) = (Mapping::new(), Details::new());
    for (column, field) in members {
        match field {
            Value::Null => drop(mapping.insert(column, None)),
            Value::String(field) if FIELDS.contains(&&*field) => {
                mapping.insert(column, Some(field));
            }
            _ => {
                let what = format!("Must be null or one of {}", FIELDS.join(", "));
                faults.insert(format!("mapping[{column}]"), what);
            }
        }
    }
    if faults.is_empty() { Ok(mapping) } else { Err(Error::Invalid(faults)) }
}

/// The bytes of the file, and an error when something follows it.
fn file(
    part: Field<'static>,
    form: Multipart<'static>,
) -> BoxStream<'static, std::result::Result<Bytes, Error>> {
    stream::try_unfold((Some(part), form), |(part, mut form)| async move {
        let Some(mut part) = part else { return Ok(None) };
        if let Some(chunk) = part.chunk().await.map_err(no_form)? {
            return Ok(Some((chunk, (Some(part), form))));
        }
        drop(part);
        if form.next_field().await.map_err(no_form)?.is_some() {
            return Err(Error::BadRequest("The file must be the last part of the form".into()));
        }
        Ok(None)
    })
    .boxed()
}

fn no_form(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(ours) => match ours.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::Internal(other),
        },
        multer::Error::IncompleteStream => Error::BadRequest("The form breaks off".into()),
        other => Error::BadRequest(format!("The form cannot be read: {other}").into()),
    }
}
