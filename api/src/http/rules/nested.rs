//! Lists and records inside a field; every failing place is told by its path.

use std::ops::RangeInclusive;

use serde_json::json;
use shared::webhook::target::TargetPolicy;
use utoipa::ToSchema;

use super::Rule;
use crate::error::{Details, Error};
use crate::http::describe::Body;
use crate::http::fields::{Checked, Fault, Fields, Input};
use crate::http::json::Value;

/// A list of so many items, each by a rule; every failing one is told by its place.
pub fn list<T>(length: RangeInclusive<usize>, rule: impl Rule<T>) -> impl Rule<Vec<T>> {
    List { length, rule }
}

struct List<R> {
    length: RangeInclusive<usize>,
    rule: R,
}

impl<T, R: Rule<T>> Rule<Vec<T>> for List<R> {
    fn check(&self, value: Value) -> Checked<Vec<T>> {
        let items = match value {
            Value::Array(items) if self.length.contains(&items.len()) => items,
            _ => return Err(wanted(&self.length)),
        };
        let (mut good, mut faults) = (Vec::with_capacity(items.len()), Details::new());
        for (at, item) in items.into_iter().enumerate() {
            match self.rule.check(item) {
                Ok(item) => good.push(item),
                Err(fault) => faults.extend(fault.at(&format!("[{at}]"))),
            }
        }
        if faults.is_empty() { Ok(good) } else { Err(Fault::inside(faults)) }
    }

    fn schema(&self, inner: &mut Vec<Body>) -> serde_json::Value {
        let (least, most) = (self.length.start(), self.length.end());
        let items = self.rule.schema(inner);
        json!({"type": "array", "minItems": least, "maxItems": most, "items": items})
    }
}

fn wanted(length: &RangeInclusive<usize>) -> Fault {
    match (length.start(), length.end()) {
        (0, most) => format!("Must be a list of at most {most}").into(),
        (least, most) => format!("Must be a list of {least} to {most}").into(),
    }
}

/// An object with fields of its own; every failing one is told by its path.
pub fn record<T: Input + ToSchema>(targets: &TargetPolicy) -> impl Rule<T> {
    Record { targets }
}

struct Record<'a> {
    targets: &'a TargetPolicy,
}

impl<T: Input + ToSchema> Rule<T> for Record<'_> {
    fn check(&self, value: Value) -> Checked<T> {
        let Value::Object(members) = value else { return Err("Must be an object".into()) };
        Fields::new(members, self.targets).read().map_err(|error| match error {
            Error::Invalid(faults) => Fault::inside(
                faults.into_iter().map(|(path, fault)| (format!(".{path}"), fault)).collect(),
            ),
            other => other.to_string().into(),
        })
    }

    fn schema(&self, inner: &mut Vec<Body>) -> serde_json::Value {
        inner.push(Body::of::<T>());
        json!({"$ref": format!("#/components/schemas/{}", T::name())})
    }
}
