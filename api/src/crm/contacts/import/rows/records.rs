//! Records of cells (RFC 4180), read strictly where guessing would join rows: a quoted cell must end, and nothing may
//! follow its end. Lines end as they like; those whose cells are all empty are passed over.

use std::io::{BufRead, Bytes};
use std::iter::Peekable;

use super::LONGEST;
use super::source;
use crate::error::{Error, Result};

/// The cells of a record.
pub(super) struct Record {
    /// The line that it begins on, from 1.
    pub line: u64,
    pub cells: Vec<Vec<u8>>,
}

/// See the module.
pub(super) struct Records<R: BufRead> {
    bytes: Peekable<Bytes<R>>,
    delimiter: u8,
    line: u64,
    /// Where the record under way begins, and how many bytes it may still have.
    record: (u64, usize),
}

impl<R: BufRead> Records<R> {
    /// The bytes are taken one by one.
    pub(super) fn new(bytes: R, delimiter: u8) -> Self {
        Self { bytes: bytes.bytes().peekable(), delimiter, line: 1, record: (1, LONGEST) }
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// A quoted cell that does not end as it should; a record that is too long; the upload's own.
    pub(super) fn next(&mut self) -> Result<Option<Record>> {
        while self.peek()?.is_some() {
            let record = self.record()?;
            if record.cells.iter().any(|cell| !cell.is_empty()) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<Record> {
        let mut record = Record { line: self.line, cells: Vec::new() };
        self.record = (self.line, LONGEST);
        loop {
            let cell = if self.take(b'"')? { self.quoted()? } else { self.bare()? };
            record.cells.push(cell);
            if !self.take(self.delimiter)? {
                self.end_line()?;
                return Ok(record);
            }
        }
    }

    fn bare(&mut self) -> Result<Vec<u8>> {
        let mut cell = Vec::new();
        while !self.at_end()? {
            cell.extend(self.read()?);
        }
        Ok(cell)
    }

    fn quoted(&mut self) -> Result<Vec<u8>> {
        let (begin, mut cell) = (self.line, Vec::new());
        loop {
            match self.peek()? {
                None => return Err(broken(begin, "a quoted cell begins here and does not end")),
                Some(b'\r' | b'\n') => self.line_break(&mut cell)?,
                _ => match self.read()? {
                    Some(b'"') if !self.take(b'"')? => break,
                    byte => cell.extend(byte),
                },
            }
        }
        let ends = self.at_end()?;
        if ends { Ok(cell) } else { Err(broken(self.line, "something follows a quoted cell")) }
    }

    /// Whether a cell cannot go on.
    fn at_end(&mut self) -> Result<bool> {
        let delimiter = self.delimiter;
        Ok(self.peek()?.is_none_or(|byte| byte == delimiter || matches!(byte, b'\r' | b'\n')))
    }

    fn end_line(&mut self) -> Result<()> {
        self.line_break(&mut Vec::new())
    }

    fn line_break(&mut self, cell: &mut Vec<u8>) -> Result<()> {
        let first = self.read()?;
        cell.extend(first);
        if first == Some(b'\r') && self.take(b'\n')? {
            cell.push(b'\n');
        }
        self.line += 1;
        Ok(())
    }

    fn take(&mut self, wanted: u8) -> Result<bool> {
        let there = self.peek()? == Some(wanted);
        if there {
            self.read()?;
        }
        Ok(there)
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        match self.bytes.peek() {
            Some(Ok(byte)) => Ok(Some(*byte)),
            None => Ok(None),
            Some(Err(_)) => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<u8>> {
        let byte = self.bytes.next().transpose().map_err(source::unbroken)?;
        if byte.is_some() {
            let (begin, room) = self.record;
            let left = room.checked_sub(1).ok_or_else(|| super::too_long(begin))?;
            self.record = (begin, left);
        }
        Ok(byte)
    }
}

fn broken(line: u64, what: &str) -> Error {
    Error::BadRequest(format!("The file is not CSV: line {line}: {what}").into())
}
