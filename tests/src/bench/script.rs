//! Turns the statements of one request into a pgbench script that repeats them with other numbers.

use std::fmt::Write as _;

use uuid::Uuid;

use super::statements::{Statement, quoted};
use crate::servers::Result;

/// Numbers that the script varies have this many digits, so that one fits in the place of another, in a text as at
/// the end of a UUID.
pub const DIGITS: usize = 12;

/// A place in the captured values where the script puts a variable.
#[derive(Clone, Copy, Debug)]
pub struct Marker<'a> {
    /// The digits that were sent in the captured request.
    pub digits: &'a str,
    /// The variable that takes their place.
    pub variable: &'a str,
}

/// A script and the variables that it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub text: String,
    /// Names and values, for `-D`. Values are kept out of the script: a colon in them would name a variable.
    pub variables: Vec<(String, String)>,
}

impl Script {
    /// `set_up` goes first: the `\set` commands that give each marker's variable its number.
    ///
    /// Several statements in one message, which pgbench cannot prepare, become a pipeline: one round trip as well.
    /// A `set local` with a marker becomes `select set_config`, because `set` takes no parameters.
    ///
    /// # Errors
    /// A statement that pgbench would read otherwise than PostgreSQL.
    pub fn new(set_up: &str, statements: &[Statement], markers: &[Marker<'_>]) -> Result<Self> {
        let mut script = Self { text: set_up.to_owned(), variables: Vec::new() };
        for statement in statements {
            let parts: Vec<&str> = statement.sql.split("; ").collect();
            if let [sql] = parts[..] {
                script.push(sql, &statement.parameters, markers)?;
                continue;
            }
            script.text += "\\startpipeline\n";
            for sql in parts {
                script.push(sql, &[], markers)?;
            }
            script.text += "\\endpipeline\n";
        }
        Ok(script)
    }

    fn push(&mut self, sql: &str, values: &[Option<String>], markers: &[Marker<'_>]) -> Result<()> {
        if names_a_variable(sql) {
            return Err(format!("pgbench would replace a variable in: {sql}").into());
        }
        let sql = match setting(sql).filter(|(_, value)| split(value, markers).len() > 1) {
            Some((name, value)) => {
                let value = self.expression(&value, markers);
                format!("select set_config('{name}', {value}, true)")
            }
            None => self.fill(sql, values, markers)?,
        };
        writeln!(self.text, "{sql};")?;
        Ok(())
    }

    /// Puts the values in the places of `$1`, `$2`…
    fn fill(
        &mut self,
        sql: &str,
        values: &[Option<String>],
        markers: &[Marker<'_>],
    ) -> Result<String> {
        let mut filled = String::new();
        let mut rest = sql;
        while let Some((before, after)) = rest.split_once('$') {
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number: usize = after[..digits].parse().map_err(|_| format!("a $ in: {sql}"))?;
            let value = number.checked_sub(1).and_then(|at| values.get(at));
            let value =
                value.ok_or_else(|| format!("no value of ${number} was logged for: {sql}"))?;
            filled += before;
            filled += &match value {
                Some(value) => self.parameter(value, markers),
                None => "null".into(),
            };
            rest = &after[digits..];
        }
        Ok(filled + rest)
    }

    /// A value where a statement has a parameter. What is bound alone takes the type that is wanted there; what is
    /// joined is text, and only a UUID needs to be told that it is none.
    fn parameter(&mut self, value: &str, markers: &[Marker<'_>]) -> String {
        let expression = self.expression(value, markers);
        let joined = expression.starts_with('(');
        // In braces it is an array of one.
        let uuid = !value.starts_with('{') && Uuid::parse_str(value).is_ok();
        if joined && uuid { expression + "::uuid" } else { expression }
    }

    /// A value as pgbench's variables: one that is bound, or several that PostgreSQL joins.
    fn expression(&mut self, value: &str, markers: &[Marker<'_>]) -> String {
        let pieces = split(value, markers);
        if let [Piece::Text(text)] = pieces[..] {
            return self.variable(text);
        }
        let pieces: Vec<String> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => format!("{}::text", self.variable(text)),
                Piece::Variable(name) => format!(":{name}::text"),
            })
            .collect();
        format!("({})", pieces.join(" || "))
    }

    fn variable(&mut self, value: &str) -> String {
        let name = format!("v{}", self.variables.len());
        self.variables.push((name.clone(), value.to_owned()));
        format!(":{name}")
    }
}

enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// Cuts a value at its markers.
fn split<'a>(value: &'a str, markers: &[Marker<'a>]) -> Vec<Piece<'a>> {
    let first = markers
        .iter()
        .filter_map(|marker| Some((value.find(marker.digits)?, marker)))
        .min_by_key(|(at, _)| *at);
    let Some((at, marker)) = first else { return vec![Piece::Text(value)] };
    let mut pieces = Vec::new();
    if at > 0 {
        pieces.push(Piece::Text(&value[..at]));
    }
    pieces.push(Piece::Variable(marker.variable));
    let rest = &value[at + marker.digits.len()..];
    if !rest.is_empty() {
        pieces.extend(split(rest, markers));
    }
    pieces
}

/// The name and value of a `set local`.
fn setting(sql: &str) -> Option<(&str, String)> {
    let (name, literal) = sql.strip_prefix("set local ")?.split_once(" = ")?;
    let (value, rest) = quoted(literal)?;
    rest.is_empty().then_some((name, value))
}

/// Whether pgbench sees a variable in SQL: a colon, not part of `::`, before a letter or digit.
fn names_a_variable(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    bytes.windows(2).enumerate().any(|(at, pair)| {
        let cast = at > 0 && bytes[at - 1] == b':';
        pair[0] == b':' && !cast && (pair[1].is_ascii_alphanumeric() || pair[1] == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Marker<'_> = Marker { digits: "100000000999", variable: "t" };
    const NUMBER: Marker<'_> = Marker { digits: "199999999999", variable: "n" };

    const TENANT_ID: &str = "01930000-0000-7000-8000-100000000999";

    fn script(sql: &str, values: &[Option<&str>]) -> Result<Script> {
        let parameters = values.iter().map(|value| value.map(str::to_owned)).collect();
        let statement = Statement { sql: sql.into(), parameters };
        Script::new("", &[statement], &[TENANT, NUMBER])
    }

    #[test]
    fn values_are_bound_and_markers_become_variables_within_them() {
        let values = [Some("it's"), Some("Contact 199999999999."), None];
        let script = script("select $1, $2::text[], $3", &values).unwrap();
        assert_eq!(
            script.text,
            "select :v0, (:v1::text || :n::text || :v2::text)::text[], null;\n"
        );
        let expected = [("v0", "it's"), ("v1", "Contact "), ("v2", ".")];
        assert_eq!(script.variables, expected.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn a_uuid_with_a_marker_stays_a_uuid() {
        let script = script("select $1", &[Some(TENANT_ID)]).unwrap();
        assert_eq!(script.text, "select (:v0::text || :t::text)::uuid;\n");
        let array = format!("{{{TENANT_ID}}}");
        let script = self::script("select $1::uuid[]", &[Some(&array)]).unwrap();
        assert_eq!(script.text, "select (:v0::text || :t::text || :v1::text)::uuid[];\n");
    }

    #[test]
    fn statements_of_one_message_share_a_round_trip_and_only_a_varying_setting_is_rewritten() {
        let fixed = script("begin; set local a.b = 'x'", &[]).unwrap();
        assert_eq!(fixed.text, "\\startpipeline\nbegin;\nset local a.b = 'x';\n\\endpipeline\n");
        let varying = script(&format!("begin; set local a.b = '{TENANT_ID}'"), &[]).unwrap().text;
        let set_config = "select set_config('a.b', (:v0::text || :t::text), true);";
        assert_eq!(varying, format!("\\startpipeline\nbegin;\n{set_config}\n\\endpipeline\n"));
    }

    #[test]
    fn sql_that_pgbench_would_change_is_refused() {
        assert!(script("select ':name'", &[]).is_err());
        assert!(script("select 1 as \"id: Id\", 2::int", &[]).is_ok());
        assert!(script("select $1", &[]).is_err());
    }
}
