//! Reads the members of a JSON object by name and rule, and reports every failing one at once: serde alone would
//! stop at the first. A member that nobody asked for is an error, because a typo must not lose data silently.

use std::fmt;

pub use shared::patch::Change;
use shared::webhook::target::TargetPolicy;

use super::describe::Description;
use super::json::{Members, Value};
use super::rules::Rule;
use crate::details::UNKNOWN;
use crate::error::{Details, Error, Result};

/// Known members that a caller may send back but not change (requirement F-10).
pub(crate) const READ_ONLY: [&str; 5] = ["id", "tenantId", "createdAt", "updatedAt", "version"];

/// What a request body can be read into.
pub trait Input: Sized {
    /// Reads each field; `None` after any fault, which `fields` keeps.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
}

/// A rule of one field: the value, or what is wrong with it.
pub type Checked<T> = std::result::Result<T, Fault>;

/// What is wrong with a field: one sentence, or one for each place inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(Vec<(String, String)>);

impl<T: Into<String>> From<T> for Fault {
    fn from(sentence: T) -> Self {
        Self(vec![(String::new(), sentence.into())])
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences: Vec<_> = self.0.iter().map(|(_, sentence)| sentence.as_str()).collect();
        f.write_str(&sentences.join("; "))
    }
}

impl Fault {
    /// The faults of the places inside a field, by their paths from it (`[0].name`).
    #[must_use]
    pub fn inside(places: Details) -> Self {
        Self(places.into_iter().collect())
    }

    /// What is wrong, by the paths of a field with this name.
    pub fn at(self, name: &str) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter().map(move |(place, sentence)| (format!("{name}{place}"), sentence))
    }
}

/// The members of a body that nobody has read yet, and the faults of those that were.
pub struct Fields<'a> {
    members: Members,
    faults: Details,
    targets: &'a TargetPolicy,
    /// Set when a body is described, not read.
    description: Option<Description>,
}

impl<'a> Fields<'a> {
    /// Starts reading.
    #[must_use]
    pub fn new(members: Members, targets: &'a TargetPolicy) -> Self {
        Self { members, faults: Details::new(), targets, description: None }
    }

    /// Where webhooks may point, for the rule that asks.
    #[must_use]
    pub fn targets(&self) -> &'a TargetPolicy {
        self.targets
    }

    /// What the rules of `T` say, without reading anything.
    #[must_use]
    pub fn describe<T: Input>() -> Description {
        let targets = TargetPolicy::new(false, Vec::new());
        let description = Some(Description::default());
        let (members, faults) = (Members::new(), Details::new());
        let mut fields = Fields { members, faults, targets: &targets, description };
        let _: Option<T> = T::read(&mut fields);
        fields.description.unwrap_or_default()
    }

    /// Reads everything into `T`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every failing and every unknown field.
    pub fn read<T: Input>(mut self) -> Result<T> {
        let read = T::read(&mut self);
        for name in READ_ONLY {
            self.members.remove(name);
        }
        for name in self.members.keys() {
            self.faults.insert(name.clone(), UNKNOWN.to_owned());
        }
        match read {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Error::Invalid(self.faults)),
        }
    }

    /// A field that must be there.
    pub fn required<T>(&mut self, name: &str, rule: impl Rule<T>) -> Option<T> {
        self.tell(name, &rule, (true, false))?;
        match self.members.remove(name) {
            None | Some(Value::Null) => self.fault(name, "Is required"),
            Some(value) => self.check(name, value, &rule),
        }
    }

    /// A field that may be absent or `null`. The outer `None` is a fault.
    pub fn optional<T>(&mut self, name: &str, rule: impl Rule<T>) -> Option<Option<T>> {
        self.tell(name, &rule, (false, true))?;
        match self.members.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => self.check(name, value, &rule).map(Some),
        }
    }

    /// A required field in a merge: absent keeps it, `null` is a fault.
    pub fn replaced<T>(&mut self, name: &str, rule: impl Rule<T>) -> Option<Option<T>> {
        self.tell(name, &rule, (false, false))?;
        match self.members.remove(name) {
            None => Some(None),
            Some(Value::Null) => self.fault(name, "Must not be null"),
            Some(value) => self.check(name, value, &rule).map(Some),
        }
    }

    /// An optional field in a merge.
    pub fn changed<T>(&mut self, name: &str, rule: impl Rule<T>) -> Option<Change<T>> {
        self.tell(name, &rule, (false, true))?;
        match self.members.remove(name) {
            None => Some(Change::Keep),
            Some(Value::Null) => Some(Change::Clear),
            Some(value) => self.check(name, value, &rule).map(Change::Set),
        }
    }

    /// Drops members that answers carry and requests may repeat.
    pub fn ignore(&mut self, names: &[&str]) {
        if let Some(description) = &mut self.description {
            description.ignore(names);
        }
        for name in names {
            self.members.remove(*name);
        }
    }

    /// Drops every member that nobody asked for.
    pub fn ignore_rest(&mut self) {
        if let Some(description) = &mut self.description {
            description.ignore_rest();
        }
        self.members.clear();
    }

    /// Says, as keywords of JSON Schema, what is checked of several members together.
    pub fn together(&mut self, rule: impl FnOnce() -> serde_json::Value) {
        if let Some(description) = &mut self.description {
            description.together(rule());
        }
    }

    /// When describing, notes the field's schema and stops: `None`.
    fn tell<T>(&mut self, name: &str, rule: &impl Rule<T>, presence: (bool, bool)) -> Option<()> {
        let Some(description) = &mut self.description else { return Some(()) };
        description.member(name, rule, presence);
        None
    }

    fn check<T>(&mut self, name: &str, value: Value, rule: &impl Rule<T>) -> Option<T> {
        match rule.check(value) {
            Ok(value) => Some(value),
            Err(fault) => self.fault(name, fault),
        }
    }

    /// Refuses a field for what other fields say.
    pub fn refuse(&mut self, name: &str, fault: &'static str) {
        self.faults.insert(name.to_owned(), fault.to_owned());
    }

    fn fault<T>(&mut self, name: &str, fault: impl Into<Fault>) -> Option<T> {
        self.faults.extend(fault.into().at(name));
        None
    }
}
