//! One JSON object per line; empty lines are passed over.

use std::io::{BufRead as _, BufReader, Read as _};

use super::source::{self, Source};
use super::{Fault, Raw, Sink, members, text_of};
use crate::error::Result;
use crate::http::MAX_BODY;

/// The longest line in bytes: what the body of a single contact may be.
const LONGEST: u64 = MAX_BODY as u64;

pub(super) fn read(source: Source, sink: &mut Sink) -> Result<()> {
    let mut lines = BufReader::new(source);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = lines.by_ref().take(LONGEST + 1).read_until(b'\n', &mut line);
        if read.map_err(source::unbroken)? == 0 {
            return Ok(());
        }
        if line.len() as u64 > LONGEST && !line.ends_with(b"\n") {
            return Err(crate::error::Error::PayloadTooLarge(MAX_BODY));
        }
        let raw = match std::str::from_utf8(&line).map(str::trim) {
            Ok("") => continue,
            Ok(text) => Raw { line: Some(number), input: input(text), members: members(text) },
            Err(_) => Raw {
                line: Some(number),
                input: text_of(&String::from_utf8_lossy(&line)),
                members: Err(Fault::row("INVALID_JSON", "Must be UTF-8")),
            },
        };
        sink.take(raw)?;
    }
    Ok(())
}

/// The line itself when it is JSON, otherwise the line as a string.
fn input(text: &str) -> String {
    match serde_json::from_str::<&serde_json::value::RawValue>(text) {
        Ok(raw) => raw.get().to_owned(),
        Err(_) => text_of(&text),
    }
}
