//! `{"contacts": […]}`, one item at a time: the list is never held as a whole.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::source::{self, Source};
use super::{LONGEST, Sink, row_of};
use crate::error::{Error, Result};
use crate::http::no_object;

const MEMBER: &str = "contacts";
/// How far the reading may be ahead of the row that it is at, in bytes.
const SLACK: usize = 8 * 1024;

pub(super) fn read(source: Source, sink: &mut Sink) -> Result<()> {
    let (mut fault, mut inside) = (None, false);
    let left = Rc::new(Cell::new(LONGEST + SLACK));
    let metered = BufReader::with_capacity(SLACK, Metered { source, left: Rc::clone(&left) });
    let mut text = serde_json::Deserializer::from_reader(metered);
    let read = Body { sink, fault: &mut fault, inside: &mut inside, left: &left }
        .deserialize(&mut text)
        .and_then(|()| text.end());
    match (fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) if error.is_io() => Err(source::unbroken(error.into())),
        // JSON of another shape.
        (None, Err(error)) if error.is_data() && inside => {
            Err(Error::field(MEMBER, "Must be a list"))
        }
        (None, Err(error)) if error.is_data() => Err(no_object()),
        (None, Err(error)) => Err(Error::InvalidJson(error.to_string())),
    }
}

/// The object around the list. A fault of ours ends the reading and is kept beside serde's own error.
struct Body<'a> {
    sink: &'a mut Sink,
    fault: &'a mut Option<Error>,
    /// Whether it is an object.
    inside: &'a mut bool,
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Body<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the list {MEMBER:?}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let Self { sink, fault, inside, left } = self;
        *inside = true;
        let mut seen = false;
        while let Some(name) = map.next_key::<String>()? {
            if name != MEMBER || seen {
                let what = if name == MEMBER { "Is given twice" } else { "Unknown field" };
                *fault = Some(Error::field(name, what));
                return Err(A::Error::custom("see the fault"));
            }
            seen = true;
            map.next_value_seed(Items { sink: &mut *sink, fault: &mut *fault, left })?;
        }
        if !seen {
            *fault = Some(Error::field(MEMBER, "Is required"));
        }
        Ok(())
    }
}

struct Items<'a> {
    sink: &'a mut Sink,
    fault: &'a mut Option<Error>,
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        // Not only lists, so that `null` is told from what else is none.
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of contacts")
    }

    fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<(), E> {
        *self.fault = Some(Error::field(MEMBER, "Is required"));
        Err(E::custom("see the fault"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        while let Some(item) = seq.next_element::<Box<RawValue>>()? {
            self.left.set(LONGEST + SLACK);
            let short = item.get().len() <= LONGEST;
            let taken = if short { self.sink.take(row_of(None, item.get())) } else { Err(long()) };
            if let Err(error) = taken {
                *self.fault = Some(error);
                return Err(A::Error::custom("see the fault"));
            }
        }
        Ok(())
    }
}

/// Ends when one row is too long, because a row is held as a whole before anybody sees its length.
struct Metered {
    source: Source,
    left: Rc<Cell<usize>>,
}

impl Read for Metered {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        let left = self.left.get().checked_sub(read);
        self.left.set(left.ok_or_else(|| io::Error::other(long()))?);
        Ok(read)
    }
}

fn long() -> Error {
    Error::field(MEMBER, "A row must be at most 64 KiB")
}
