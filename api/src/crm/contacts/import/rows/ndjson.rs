//! One JSON object per line; empty lines are passed over.

use std::io::{BufRead as _, BufReader, Read as _};

use super::source::{self, Source};
use super::{LONGEST, Raw, Sink, not_json, row_of, text_of, too_long};
use crate::error::Result;

pub(super) fn read(source: Source, sink: &mut Sink) -> Result<()> {
    let mut lines = BufReader::new(source);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = lines.by_ref().take(LONGEST as u64 + 2).read_until(b'\n', &mut line);
        if read.map_err(source::unbroken)? == 0 {
            return Ok(());
        }
        if line.len() > LONGEST && !line.ends_with(b"\n") {
            return Err(too_long(number));
        }
        let raw = match std::str::from_utf8(&line).map(str::trim) {
            Ok("") => continue,
            Ok(text) => row_of(Some(number), text),
            Err(_) => Raw {
                line: Some(number),
                input: text_of(&String::from_utf8_lossy(&line)),
                members: Err(not_json("Must be UTF-8")),
            },
        };
        sink.take(raw)?;
    }
    Ok(())
}
