//! The commands of a guide, and what they are said to print.

use std::path::Path;

use crate::architecture::source::file;

/// A fenced block of shell, and the answer that the guide shows right after it.
pub struct Step {
    pub commands: String,
    pub answer: Option<String>,
}

/// The steps of a guide: its `sh` blocks, each with the `json` or `text` block that follows it.
pub fn steps(guide: &str) -> Vec<Step> {
    let text = file(guide).unwrap_or_else(|| panic!("{guide} is missing")).text;
    let mut steps: Vec<Step> = Vec::new();
    let mut follows = false;
    let parts: Vec<&str> = text.split("```").collect();
    for pair in parts.chunks(2) {
        let [prose, block] = pair else { break };
        let (language, body) = block.split_once('\n').unwrap();
        let answer = follows && prose.trim().is_empty() && ["json", "text"].contains(&language);
        if answer {
            steps.last_mut().unwrap().answer = Some(body.trim_end().to_owned());
        } else if language == "sh" {
            steps.push(Step { commands: body.to_owned(), answer: None });
        }
        follows = language == "sh";
    }
    assert!(!steps.is_empty(), "{guide} has no sh block");
    steps
}

/// One shell script of all steps. An answer of the api that is no 2xx ends it; what each step prints is put in a file
/// of its own.
pub fn script(steps: &[Step], outputs: &Path) -> String {
    let head = r#"set -eu
fails() { case "$*" in *"${API:-/}"*) echo --fail-with-body ;; esac; }
curl() { command curl --no-progress-meter $(fails "$@") "$@"; }
"#;
    steps.iter().enumerate().fold(head.to_owned(), |script, (at, step)| {
        let output = outputs.join(at.to_string());
        format!("{script}exec >{}\n{}", output.display(), step.commands)
    })
}

/// Whether a text is as a guide shows it, where `…` stands for anything.
pub fn fits(shown: &str, text: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[test]
fn what_is_shown_with_gaps_fits_what_was_printed_and_nothing_else() {
    assert!(fits(r#"{"id":"…","a":1,…}"#, r#"{"id":"x","a":1,"b":2}"#));
    assert!(fits("a", "a") && fits("…", "anything") && fits("a…", "ab") && fits("…b", "ab"));
    assert!(!fits("a", "ab") && !fits("a…c", "ab") && !fits("b…", "ab") && !fits("a…b…b", "ab"));
}
