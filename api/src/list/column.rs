//! The fields that lists can be filtered by, and what their values are.

use super::operator::Operator;

/// A field that lists can be filtered by.
pub struct Column {
    /// The parameter.
    pub name: &'static str,
    /// The column. Its comparisons must be leakproof, or no index serves them (docs/decisions/0004).
    pub sql: &'static str,
    /// What its values are.
    pub kind: Kind,
}

/// What a filter's values are.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text compared without regard to case; the column holds it in lower case.
    Folded,
    /// A telephone number, compared in E.164 form.
    Phone,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text compared as it is.
    Exact,
    /// The name of an event; any of several when the filter names families, such as `contact.*`.
    Event,
    /// A time, RFC 3339.
    Time,
    /// A whole number.
    Integer,
    /// A number with at most so many digits behind its point. The column is a `bigint` that holds it without the
    /// point (12.50 as 1250): comparisons of `numeric` are not leakproof.
    Number(u32),
    /// `true` or `false`.
    Bool,
    /// The id of another record; `null` finds those without one.
    Id,
}

impl Column {
    /// What can be asked of this column.
    #[must_use]
    pub fn operators(&self) -> &'static [Operator] {
        use Operator::{Above, Below, From, In, Is, UpTo};
        match self.kind {
            Kind::Time => &[Is, Above, From, Below, UpTo],
            Kind::Integer | Kind::Number(_) => &[Is, In, Above, From, Below, UpTo],
            Kind::Bool => &[Is],
            _ => &[Is, In],
        }
    }
}
