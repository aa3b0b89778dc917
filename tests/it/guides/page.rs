//! A page with examples: prose, what a route asks for, commands, and what they answer. It reads and writes itself
//! without a change of anything else, so that its answers can be renewed in place.

use std::fmt::Write as _;
use std::{env, fs};

use crate::architecture::source::{file, root};

/// A piece of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Lines that are only read.
    Text(String),
    /// What a route asks for, as lines of a list, below its method and path.
    Facts {
        /// Such as `GET /api/v1/me`.
        route: String,
        /// The lines.
        lines: Vec<String>,
    },
    /// Commands that are run.
    Example(String),
    /// What they answer, in its language.
    Answer {
        /// Such as `json`.
        language: String,
        /// What is shown.
        text: String,
    },
    /// ``"`$NAME` below is `.data.id` of this answer."``
    Capture {
        /// The variable.
        name: String,
        /// Where its value is, as a JSON pointer.
        pointer: String,
        /// The line.
        line: String,
    },
}

/// Takes a page apart.
pub fn parse(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```").map(str::to_owned) {
            let body: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            let body = body.join("\n");
            parts.push(match (&*language, parts.last()) {
                ("sh", _) => Part::Example(body),
                (_, Some(Part::Example(_))) => Part::Answer { language, text: body },
                _ => Part::Text(format!("```{language}\n{body}\n```")),
            });
        } else if let Some(route) = route(line) {
            let mut facts = Vec::new();
            lines.next_if(|line| line.is_empty());
            while let Some(fact) = lines.next_if(|line| line.starts_with("- ")) {
                facts.push(fact.to_owned());
            }
            lines.next_if(|line| line.is_empty());
            parts.push(Part::Facts { route: route.to_owned(), lines: facts });
        } else if let Some((name, path)) = capture(line) {
            let (name, pointer) = (name.to_owned(), path.replace(['.', '['], "/").replace(']', ""));
            parts.push(Part::Capture { name, pointer, line: line.to_owned() });
        } else {
            parts.push(Part::Text(line.to_owned()));
        }
    }
    parts
}

/// The commands of a page, each with the answer that is shown right behind it.
pub fn examples(path: &str) -> Vec<(String, Option<String>)> {
    let text = file(path).unwrap_or_else(|| panic!("{path} is missing")).text;
    let mut examples: Vec<(String, Option<String>)> = Vec::new();
    for part in parse(&text) {
        match part {
            Part::Example(commands) => examples.push((commands, None)),
            Part::Answer { text, .. } => examples.last_mut().unwrap().1 = Some(text),
            _ => {}
        }
    }
    assert!(!examples.is_empty(), "{path} has no sh block");
    examples
}

/// Holds a page to what it would say today, or writes that with `BLESS=1`.
pub fn hold(path: &str, parts: &[Part]) {
    let (text, today) = (file(path).unwrap().text, print(parts));
    if env::var_os("BLESS").is_some() {
        fs::write(root().join(path), today).unwrap();
    } else if let Some(line) = difference(&text, &today) {
        panic!("{path}: {line}\n`make docs-renew` writes the answers anew");
    }
}

/// The first line that differs.
fn difference(old: &str, new: &str) -> Option<String> {
    let lines = old.lines().chain([""]).zip(new.lines().chain([""]));
    let differs = lines.enumerate().find(|(_, (old, new))| old != new);
    let (at, (old, new)) = differs?;
    Some(format!("line {} shows\n  {old}\nand is today\n  {new}", at + 1))
}

fn route(line: &str) -> Option<&str> {
    let route = line.strip_prefix('`')?.strip_suffix('`')?;
    let (method, path) = route.split_once(' ')?;
    (method.chars().all(|c| c.is_ascii_uppercase()) && path.starts_with('/')).then_some(route)
}

fn capture(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("`$")?.strip_suffix("` of this answer.")?.split_once("` below is `")
}

/// Puts it together again.
pub fn print(parts: &[Part]) -> String {
    let mut page = String::new();
    for part in parts {
        let _ = match part {
            Part::Text(text) | Part::Capture { line: text, .. } => writeln!(page, "{text}"),
            Part::Facts { route, lines } => writeln!(page, "`{route}`\n\n{}\n", lines.join("\n")),
            Part::Example(text) => writeln!(page, "```sh\n{text}\n```"),
            Part::Answer { language, text } => writeln!(page, "```{language}\n{text}\n```"),
        };
    }
    page
}

#[test]
fn a_page_is_printed_as_it_was_read() {
    let page = "# A\n\n`GET /a`\n\n- scope `b`\n- query: `c`\n\nText.\n\n```sh\ncurl \\\n  $API/a\n```\n```json\n{}\n```\n\n\
                `$A_1` below is `.data[0].id` of this answer.\n\n```\nplain\n```\n";
    let parts = parse(page);
    assert_eq!(print(&parts), page);
    let lines = vec!["- scope `b`".to_owned(), "- query: `c`".to_owned()];
    assert!(parts.contains(&Part::Facts { route: "GET /a".into(), lines }), "{parts:?}");
    assert!(parts.contains(&Part::Answer { language: "json".into(), text: "{}".into() }));
    let pointer = parts.iter().find_map(|part| match part {
        Part::Capture { name, pointer, .. } => Some((&**name, &**pointer)),
        _ => None,
    });
    assert_eq!(pointer, Some(("A_1", "/data/0/id")));
    assert!(difference("a\nb", "a\nb").is_none() && difference("a\nb", "a\nc\n").is_some());
}
