//! Reads the members of a JSON object by name and rule, and reports every failing one at once: serde alone would
//! stop at the first. A member that nobody asked for is an error, because a typo must not lose data silently.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use shared::webhook::target::TargetPolicy;

use crate::error::{Details, Error, Result};

/// Known members that a caller may send back but not change (requirement F-10).
const READ_ONLY: [&str; 5] = ["id", "tenantId", "createdAt", "updatedAt", "version"];

/// What a request body can be read into.
pub trait Input: Sized {
    /// Reads each field; `None` after any fault, which `fields` keeps.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
}

/// What a merge does to one field: `PUT` leaves absent fields alone and clears those sent as `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Absent.
    #[default]
    Keep,
    /// `null`.
    Clear,
    /// A value.
    Set(T),
}

impl<T> Change<T> {
    /// The field after the change.
    pub fn apply(self, current: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *current = None,
            Self::Set(value) => *current = Some(value),
        }
    }
}

/// A rule of one field: the value, or what is wrong with it.
pub type Checked<T> = std::result::Result<T, String>;

/// What is wrong with a value and inside it, by the path from it: ``, `.name`, `[0].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Details);

impl From<String> for Faults {
    fn from(fault: String) -> Self {
        Self(Details::from([(String::new(), fault)]))
    }
}

impl Faults {
    /// Adds one; the first at a path is the one to tell.
    pub fn add(&mut self, path: impl Into<String>, fault: impl Into<String>) {
        self.0.entry(path.into()).or_insert_with(|| fault.into());
    }

    /// Adds all those of a value inside this one.
    pub fn inside(&mut self, path: &str, faults: Self) {
        for (rest, fault) in faults.0 {
            self.add(format!("{path}{rest}"), fault);
        }
    }

    /// The value, when nothing is wrong with it.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn or<T>(self, value: T) -> std::result::Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The same as the details of an answer, the value being the field `name`.
    #[must_use]
    pub fn of(self, name: &str) -> Details {
        self.0.into_iter().map(|(path, fault)| (format!("{name}{path}"), fault)).collect()
    }
}

/// A list of this many values, each by the same rule.
pub fn list<T, F: Into<Faults>>(
    length: RangeInclusive<usize>,
    rule: impl Fn(Value) -> std::result::Result<T, F>,
) -> impl FnOnce(Value) -> std::result::Result<Vec<T>, Faults> {
    move |value| {
        let wrong = || format!("Must be a list of {} to {}", length.start(), length.end());
        let Value::Array(values) = value else { return Err(wrong().into()) };
        if !length.contains(&values.len()) {
            return Err(wrong().into());
        }
        let (mut read, mut faults) = (Vec::with_capacity(values.len()), Faults::default());
        for (place, value) in values.into_iter().enumerate() {
            match rule(value) {
                Ok(value) => read.push(value),
                Err(fault) => faults.inside(&format!("[{place}]"), fault.into()),
            }
        }
        faults.or(read)
    }
}

/// An object inside the body, read like the body itself.
pub fn object<T: Input>(
    targets: &TargetPolicy,
) -> impl Fn(Value) -> std::result::Result<T, Faults> {
    move |value| {
        let Value::Object(members) = value else {
            return Err("Must be an object".to_owned().into());
        };
        Fields::new(members, targets).finish().map_err(|details| {
            Faults(details.into_iter().map(|(name, fault)| (format!(".{name}"), fault)).collect())
        })
    }
}

/// The members of a body that nobody has read yet, and the faults of those that were.
pub struct Fields<'a> {
    members: Map<String, Value>,
    faults: Details,
    targets: &'a TargetPolicy,
}

impl<'a> Fields<'a> {
    /// Starts reading.
    #[must_use]
    pub fn new(members: Map<String, Value>, targets: &'a TargetPolicy) -> Self {
        Self { members, faults: Details::new(), targets }
    }

    /// Where webhooks may point, for the rule that asks.
    #[must_use]
    pub fn targets(&self) -> &'a TargetPolicy {
        self.targets
    }

    /// Reads everything into `T`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every failing and every unknown field.
    pub fn read<T: Input>(self) -> Result<T> {
        self.finish().map_err(Error::Invalid)
    }

    fn finish<T: Input>(mut self) -> std::result::Result<T, Details> {
        let read = T::read(&mut self);
        for name in READ_ONLY {
            self.members.remove(name);
        }
        for name in self.members.keys() {
            self.faults.insert(name.clone(), "Unknown field".to_owned());
        }
        match read {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(self.faults),
        }
    }

    /// A field that must be there.
    pub fn required<T, F: Into<Faults>>(
        &mut self,
        name: &str,
        rule: impl FnOnce(Value) -> std::result::Result<T, F>,
    ) -> Option<T> {
        match self.members.remove(name) {
            None | Some(Value::Null) => self.refuse(name, "Is required"),
            Some(value) => self.check(name, value, rule),
        }
    }

    /// A field that may be absent or `null`. The outer `None` is a fault.
    pub fn optional<T, F: Into<Faults>>(
        &mut self,
        name: &str,
        rule: impl FnOnce(Value) -> std::result::Result<T, F>,
    ) -> Option<Option<T>> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => self.check(name, value, rule).map(Some),
        }
    }

    /// A required field in a merge: absent keeps it, `null` is a fault.
    pub fn replaced<T, F: Into<Faults>>(
        &mut self,
        name: &str,
        rule: impl FnOnce(Value) -> std::result::Result<T, F>,
    ) -> Option<Option<T>> {
        match self.members.remove(name) {
            None => Some(None),
            Some(Value::Null) => self.refuse(name, "Must not be null"),
            Some(value) => self.check(name, value, rule).map(Some),
        }
    }

    /// An optional field in a merge.
    pub fn changed<T, F: Into<Faults>>(
        &mut self,
        name: &str,
        rule: impl FnOnce(Value) -> std::result::Result<T, F>,
    ) -> Option<Change<T>> {
        match self.members.remove(name) {
            None => Some(Change::Keep),
            Some(Value::Null) => Some(Change::Clear),
            Some(value) => self.check(name, value, rule).map(Change::Set),
        }
    }

    /// Drops members that answers carry and requests may repeat.
    pub fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.members.remove(*name);
        }
    }

    fn check<T, F: Into<Faults>>(
        &mut self,
        name: &str,
        value: Value,
        rule: impl FnOnce(Value) -> std::result::Result<T, F>,
    ) -> Option<T> {
        match rule(value) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.faults.extend(fault.into().of(name));
                None
            }
        }
    }

    /// Refuses a field for what other fields say.
    pub fn refuse<T>(&mut self, name: &str, fault: &str) -> Option<T> {
        self.faults.insert(name.to_owned(), fault.to_owned());
        None
    }
}
