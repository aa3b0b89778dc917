//! Reads a filter, and tells every fault by its path, such as `filter.all[1].gte`.

use rust_decimal::Decimal;
use shared::clock;
use shared::event;

use super::filter::{Filter, Operand, Operator};
use super::members;
use crate::error::Details;
use crate::http::fields::{Checked, Fault};
use crate::http::json::{Members, Number, Value};
use crate::http::rules::{self, Rule as _};

/// Objects inside each other.
pub(super) const DEPTH: usize = 5;
/// Comparisons, names and values in all of it together.
pub(super) const MOST: usize = 100;
/// Characters of a text to compare with.
pub(super) const LONGEST: usize = 200;
/// Decimal places of a number.
pub(super) const PLACES: u32 = 10;

const FORMS: &str = "Must be an object with one of all, any, not, changed, event, or field";

/// The filter that the value is.
pub(super) fn filter(value: Value) -> Checked<Filter> {
    let mut reader = Reader::default();
    let filter = reader.filter("", value, 1);
    if reader.size > MOST {
        let fault = format!("Must have at most {MOST} comparisons, names and values in all");
        reader.faults.insert(String::new(), fault);
    }
    match filter {
        Some(filter) if reader.faults.is_empty() => Ok(filter),
        _ => Err(Fault::inside(reader.faults)),
    }
}

#[derive(Default)]
struct Reader {
    faults: Details,
    size: usize,
}

impl Reader {
    fn fault<T>(&mut self, at: &str, fault: impl Into<String>) -> Option<T> {
        self.faults.entry(at.to_owned()).or_insert_with(|| fault.into());
        None
    }

    fn filter(&mut self, at: &str, value: Value, depth: usize) -> Option<Filter> {
        if depth > DEPTH {
            return self.fault(at, format!("Must be at most {DEPTH} objects deep"));
        }
        let Value::Object(mut members) = value else { return self.fault(at, FORMS) };
        if let Some(field) = members.remove("field") {
            return self.field(at, &field, members);
        }
        let (Some((form, inside)), None) = (members.pop_first(), members.pop_first()) else {
            return self.fault(at, FORMS);
        };
        let at = format!("{at}.{form}");
        match form.as_str() {
            "all" => self.parts(&at, inside, depth).map(Filter::All),
            "any" => self.parts(&at, inside, depth).map(Filter::Any),
            "not" => self.filter(&at, inside, depth + 1).map(Box::new).map(Filter::Not),
            "changed" => self
                .names(&at, inside, members::is_changing, members::UNKNOWN_CHANGE)
                .map(Filter::Changed),
            "event" => {
                let patterns = self.names(
                    &at,
                    inside,
                    event::is_pattern,
                    "Must be an event, a family such as contact.*, or *",
                )?;
                Some(Filter::Event(patterns))
            }
            _ => self.fault(&at, "Unknown field"),
        }
    }

    fn parts(&mut self, at: &str, value: Value, depth: usize) -> Option<Vec<Filter>> {
        let items = self.items(at, value)?;
        let parts: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(place, item)| self.filter(&format!("{at}[{place}]"), item, depth + 1))
            .collect();
        parts.into_iter().collect()
    }

    fn names(
        &mut self,
        at: &str,
        value: Value,
        known: fn(&str) -> bool,
        fault: &str,
    ) -> Option<Vec<String>> {
        let items = self.items(at, value)?;
        self.size += items.len();
        let mut names = Vec::with_capacity(items.len());
        for (place, item) in items.into_iter().enumerate() {
            match item {
                Value::String(name) if known(&name) => names.push(name),
                _ => self.fault(&format!("{at}[{place}]"), fault)?,
            }
        }
        Some(names)
    }

    fn items(&mut self, at: &str, value: Value) -> Option<Vec<Value>> {
        match value {
            Value::Array(items) if (1..=MOST).contains(&items.len()) => Some(items),
            _ => self.fault(at, format!("Must be a list of 1 to {MOST}")),
        }
    }

    fn field(&mut self, at: &str, field: &Value, members: Members) -> Option<Filter> {
        let name = match field {
            Value::String(name) if members::is_known(name) => Some(name.clone()),
            _ => self.fault(&format!("{at}.field"), members::UNKNOWN),
        };
        if members.is_empty() {
            let names = Operator::NAMES.join(", ");
            return self.fault(at, format!("Must have one of {names} beside field"));
        }
        let mut tests = Vec::with_capacity(members.len());
        for (operator, value) in members {
            let at = format!("{at}.{operator}");
            let test = match operator.parse() {
                Ok(operator) => {
                    self.operand(&at, operator, value).map(|operand| (operator, operand))
                }
                Err(_) => self.fault(&at, "Unknown field"),
            };
            tests.push(test);
        }
        Some(Filter::Field(name?, tests.into_iter().collect::<Option<_>>()?))
    }

    fn operand(&mut self, at: &str, operator: Operator, value: Value) -> Option<Operand> {
        use Operator as O;
        if let (O::In, value) = (operator, &value) {
            let items = self.items(at, value.clone())?;
            self.size += items.len();
            let values = items.into_iter().enumerate();
            let values: Vec<_> = values
                .map(|(place, item)| self.checked(&format!("{at}[{place}]"), scalar(item)))
                .collect();
            return values.into_iter().collect::<Option<_>>().map(Operand::Values);
        }
        self.size += 1;
        let checked = match operator {
            O::Gt | O::Gte | O::Lt | O::Lte => ordered(value),
            O::Contains | O::StartsWith => match text(value) {
                Ok(text) if text.is_empty() => Err("Must not be empty".into()),
                other => other.map(Operand::Text),
            },
            O::IsNull => rules::boolean().check(value).map(Operand::Bool),
            O::Eq | O::Ne | O::In => scalar(value),
        };
        self.checked(at, checked)
    }

    fn checked<T>(&mut self, at: &str, checked: Checked<T>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(fault) => self.fault(at, fault.to_string()),
        }
    }
}

fn scalar(value: Value) -> Checked<Operand> {
    match value {
        Value::Null => Ok(Operand::Null),
        Value::Bool(value) => Ok(Operand::Bool(value)),
        Value::Number(number) => exact(&number).map(Operand::Number),
        Value::String(_) => text(value).map(Operand::Text),
        Value::Array(_) | Value::Object(_) => {
            Err("Must be a string, a number, true, false or null".into())
        }
    }
}

fn ordered(value: Value) -> Checked<Operand> {
    match value {
        Value::Number(number) => exact(&number).map(Operand::Number),
        Value::String(_) => {
            rules::time().check(value).map(|time| Operand::Time(clock::rfc3339(time)))
        }
        _ => Err("Must be a number, or a time such as 2025-11-02T10:00:00Z".into()),
    }
}

fn text(value: Value) -> Checked<String> {
    let text = rules::string().check(value)?;
    if text.chars().count() > LONGEST {
        return Err(format!("Must be at most {LONGEST} characters").into());
    }
    Ok(text)
}

/// The number in plain decimals: its value, exactly.
fn exact(number: &Number) -> Checked<String> {
    let plain = (0..=PLACES)
        .find_map(|scale| Decimal::try_from_i128_with_scale(number.units(scale)?, scale).ok());
    plain.map(|number| number.to_string()).ok_or_else(|| {
        format!("Must have at most 28 digits, {PLACES} of them decimal places").into()
    })
}
