//! Lists and records inside a field; every failing place is told by its path.

use std::ops::RangeInclusive;

use shared::webhook::target::TargetPolicy;

use crate::error::{Details, Error};
use crate::http::fields::{Checked, Fault, Fields, Input};
use crate::http::json::Value;

/// A list of so many items, each by a rule; every failing one is told by its place.
pub fn list<T>(
    length: RangeInclusive<usize>,
    rule: impl Fn(Value) -> Checked<T>,
) -> impl Fn(Value) -> Checked<Vec<T>> {
    move |value| {
        let items = match value {
            Value::Array(items) if length.contains(&items.len()) => items,
            _ => return Err(wanted(&length)),
        };
        let (mut good, mut faults) = (Vec::with_capacity(items.len()), Details::new());
        for (at, item) in items.into_iter().enumerate() {
            match rule(item) {
                Ok(item) => good.push(item),
                Err(fault) => faults.extend(fault.at(&format!("[{at}]"))),
            }
        }
        if faults.is_empty() { Ok(good) } else { Err(Fault::inside(faults)) }
    }
}

fn wanted(length: &RangeInclusive<usize>) -> Fault {
    match (length.start(), length.end()) {
        (0, most) => format!("Must be a list of at most {most}").into(),
        (least, most) => format!("Must be a list of {least} to {most}").into(),
    }
}

/// An object with fields of its own; every failing one is told by its path.
pub fn record<T: Input>(targets: &TargetPolicy) -> impl Fn(Value) -> Checked<T> {
    move |value| {
        let Value::Object(members) = value else { return Err("Must be an object".into()) };
        Fields::new(members, targets).read().map_err(|error| match error {
            Error::Invalid(faults) => Fault::inside(
                faults.into_iter().map(|(path, fault)| (format!(".{path}"), fault)).collect(),
            ),
            other => other.to_string().into(),
        })
    }
}
