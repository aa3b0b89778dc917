//! One filter of a request: a column, compared with values.

use std::collections::BTreeSet;

use super::column::{Column, Kind};
use super::operator::Operator;
use super::value::{Value, values};
use crate::event_log;

/// A comparison of one column.
pub(super) struct Filter {
    pub column: &'static str,
    pub operator: Operator,
    pub values: Vec<Value>,
}

impl Filter {
    /// Reads the parameter `name`, such as `createdAt[gte]`.
    pub fn read(columns: &'static [Column], name: &str, text: &str) -> Result<Self, String> {
        let (field, suffix) = match name.find('[') {
            Some(at) => name.split_at(at),
            None => (name, ""),
        };
        let column =
            columns.iter().find(|column| column.name == field).ok_or("Unknown parameter")?;
        let operator = Operator::ALL
            .iter()
            .find(|(operator, known)| *known == suffix && column.operators().contains(operator))
            .map(|(operator, _)| *operator)
            .ok_or("Unknown parameter")?;
        if matches!(column.kind, Kind::Event) {
            let names: BTreeSet<String> = event_log::names(text)?.into_iter().collect();
            let values = names.into_iter().map(Value::Text).collect();
            return Ok(Self { column: column.sql, operator: Operator::In, values });
        }
        let values = match operator {
            Operator::In => values(column.kind, text)?,
            Operator::Is if text == "null" && matches!(column.kind, Kind::Id) => vec![Value::Null],
            _ => vec![Value::read(column.kind, text)?],
        };
        Ok(Self { column: column.sql, operator, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static COLUMNS: [Column; 2] = [
        Column { name: "owner", sql: "owner_id", kind: Kind::Id },
        Column { name: "active", sql: "active", kind: Kind::Bool },
    ];

    #[test]
    fn null_finds_records_without_a_reference_and_nothing_else_can_be_null() {
        let values = |name, text| Filter::read(&COLUMNS, name, text).map(|filter| filter.values);
        assert_eq!(values("owner", "null"), Ok(vec![Value::Null]));
        for (name, text) in [("owner[in]", "null"), ("active", "null"), ("active[in]", "true")] {
            assert!(values(name, text).is_err(), "{name}={text}");
        }
    }
}
