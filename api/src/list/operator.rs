//! How filters compare, and what the parameters for it are called.

use super::column::{Column, Kind};

/// How a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `field=` is equal.
    Is,
    /// `field[in]=` is any of a list divided by commas.
    In,
    /// `field[gt]=`.
    Above,
    /// `field[gte]=`.
    From,
    /// `field[lt]=`.
    Below,
    /// `field[lte]=`.
    UpTo,
}

impl Operator {
    pub(super) const ALL: [(Operator, &'static str); 6] = [
        (Operator::Is, ""),
        (Operator::In, "[in]"),
        (Operator::Above, "[gt]"),
        (Operator::From, "[gte]"),
        (Operator::Below, "[lt]"),
        (Operator::UpTo, "[lte]"),
    ];

    /// The parameter's whole name.
    #[must_use]
    pub fn parameter(self, column: &str) -> String {
        let suffix = Self::ALL
            .iter()
            .find(|(operator, _)| *operator == self)
            .map_or("", |(_, suffix)| suffix);
        format!("{column}{suffix}")
    }

    /// A sentence for the documentation.
    #[must_use]
    pub fn describe(self, column: &Column) -> String {
        let name = column.name;
        let (more, less) = if matches!(column.kind, Kind::Time) {
            ("after", "before")
        } else {
            ("above", "below")
        };
        match self {
            Self::Is | Self::In if matches!(column.kind, Kind::Event) => {
                format!(
                    "`{name}` is one of these, or of families such as `contact.*`, divided by commas"
                )
            }
            Self::Is if matches!(column.kind, Kind::Id) => {
                format!("`{name}` is this id; `null` finds records without one")
            }
            Self::Is => format!("`{name}` is this"),
            Self::In => format!("`{name}` is one of these, at most 100, divided by commas"),
            Self::Above => format!("`{name}` is {more} this"),
            Self::From => format!("`{name}` is this or {more}"),
            Self::Below => format!("`{name}` is {less} this"),
            Self::UpTo => format!("`{name}` is this or {less}"),
        }
    }
}
