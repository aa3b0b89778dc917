//! What commands print: a table for people, or JSON for programs. Results go to standard output, and only results.

use std::io::{self, Write as _};

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::CommandResult;

/// A column: its title, and the JSON pointer of its values.
pub(crate) type Column = (&'static str, &'static str);

/// How a command's result is shown.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Out {
    /// Print JSON, as the API would answer
    #[arg(long)]
    json: bool,
}

impl Out {
    /// Many records: a line each, or one JSON list.
    pub(crate) fn list(self, rows: &[Value], columns: &[Column]) -> CommandResult {
        if self.json {
            return say(&serde_json::to_string(rows)?);
        }
        say(&table(rows, columns))
    }

    /// One record of a list, under its titles, or one JSON object.
    pub(crate) fn list_one(self, record: Value, columns: &[Column]) -> CommandResult {
        if self.json { self.record(&record, columns) } else { self.list(&[record], columns) }
    }

    /// One record: a line for each member, or one JSON object.
    pub(crate) fn record(self, record: &Value, members: &[Column]) -> CommandResult {
        if self.json {
            return say(&serde_json::to_string(record)?);
        }
        let widest = members.iter().map(|(title, _)| title.width()).max().unwrap_or_default();
        let lines = members.iter().map(|(title, pointer)| {
            let value = shown(record.pointer(pointer));
            format!("{title}{}  {value}", " ".repeat(widest - title.width()))
        });
        say(&lines.collect::<Vec<_>>().join("\n"))
    }
}

/// A body without the members that nobody gave.
pub(crate) fn without_null(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    body
}

/// Rows under their titles, in columns as wide as they must be.
fn table(rows: &[Value], columns: &[Column]) -> String {
    let titles = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    let mut lines: Vec<Vec<String>> = vec![titles];
    lines.extend(
        rows.iter()
            .map(|row| columns.iter().map(|(_, pointer)| shown(row.pointer(pointer))).collect()),
    );
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| lines.iter().map(|line| line[at].width()).max().unwrap_or_default())
        .collect();
    let padded = lines.iter().map(|line| {
        let cells = line.iter().zip(&widths);
        let cells =
            cells.map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    padded.collect::<Vec<_>>().join("\n")
}

/// A value on one line. What a tenant has written must not steer the operator's terminal.
fn shown(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(truth)) => if *truth { "yes" } else { "no" }.to_owned(),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| shown(Some(item))).collect::<Vec<_>>().join(",")
        }
        Some(other) => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// One line of the command's result, or several. A reader that went away is no fault of ours.
pub(crate) fn say(line: &str) -> CommandResult {
    heard(writeln!(io::stdout(), "{line}")).map(|_| ())
}

/// What whoever looks at the terminal should know besides.
pub(crate) fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "warning: {line}");
}

/// Whether there is still a reader.
///
/// # Errors
/// Anything but that there is none.
pub(crate) fn heard(written: io::Result<()>) -> CommandResult<bool> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them_and_nothing_steers_the_terminal() {
        let rows = [
            json!({"id": 1, "name": "山田", "events": ["a", "b"], "active": true}),
            json!({"id": 22, "name": "x\u{1b}[31m\n", "events": [], "active": false}),
        ];
        let columns = [
            ("ID", "/id"),
            ("NAME", "/name"),
            ("EVENTS", "/events"),
            ("ON", "/active"),
            ("AT", "/at"),
        ];
        let lines = table(&rows, &columns);
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines[0], "ID  NAME     EVENTS  ON   AT");
        assert_eq!(lines[1], "1   山田     a,b     yes  -");
        assert_eq!(lines[2], "22  x\u{fffd}[31m\u{fffd}  -       no   -");
    }
}
