//! `{"contacts": […]}`, one item at a time: the list is never held as a whole.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::source::{self, Source};
use super::{Raw, Sink, members};
use crate::error::{Error, Result};

const MEMBER: &str = "contacts";

pub(super) fn read(source: Source, sink: &mut Sink) -> Result<()> {
    let mut fault = None;
    let mut text = serde_json::Deserializer::from_reader(std::io::BufReader::new(source));
    let read = Body { sink, fault: &mut fault }.deserialize(&mut text).and_then(|()| text.end());
    match (fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) if error.is_io() => Err(source::unbroken(error.into())),
        (None, Err(error)) => Err(Error::InvalidJson(error.to_string())),
    }
}

/// The object around the list. A fault of ours ends the reading and is kept beside serde's own error.
struct Body<'a> {
    sink: &'a mut Sink,
    fault: &'a mut Option<Error>,
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
        let Self { sink, fault } = self;
        let mut seen = false;
        while let Some(name) = map.next_key::<String>()? {
            if name != MEMBER || seen {
                let what = if name == MEMBER { "Is given twice" } else { "Unknown field" };
                *fault = Some(Error::field(name, what));
                return Err(A::Error::custom("see the fault"));
            }
            seen = true;
            map.next_value_seed(Items { sink: &mut *sink, fault: &mut *fault })?;
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
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of contacts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        while let Some(item) = seq.next_element::<Box<RawValue>>()? {
            let text = item.get();
            let raw = Raw { line: None, input: text.to_owned(), members: members(text) };
            if let Err(error) = self.sink.take(raw) {
                *self.fault = Some(error);
                return Err(A::Error::custom("see the fault"));
            }
        }
        Ok(())
    }
}
