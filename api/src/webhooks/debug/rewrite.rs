//! JSON written again as common libraries do it: other white space, escapes and numbers, members in the same order.

use std::fmt::Write as _;

/// How numbers with a fraction are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// As they came.
    Kept,
    /// `100.00` becomes `100`, as JavaScript has it.
    Shortest,
    /// `100.00` becomes `100.0`, as Python has it.
    Floats,
}

/// How a library writes.
#[derive(Clone, Copy)]
pub struct Style {
    /// What stands behind a comma and a colon on one line; with an indent, only behind the colon.
    pub gap: &'static str,
    /// Spaces of each level; none for one line.
    pub indent: usize,
    /// Whether everything beyond ASCII is escaped.
    pub ascii: bool,
    /// How numbers are written.
    pub numbers: Numbers,
}

const fn style(gap: &'static str, indent: usize, ascii: bool, numbers: Numbers) -> Style {
    Style { gap, indent, ascii, numbers }
}

/// What is met most, the commonest first.
pub const STYLES: &[Style] = &[
    style("", 0, false, Numbers::Kept),
    style("", 0, false, Numbers::Shortest),
    style(" ", 0, true, Numbers::Floats),
    style(" ", 0, false, Numbers::Floats),
    style("", 0, true, Numbers::Floats),
    style("", 0, false, Numbers::Floats),
    style(" ", 2, false, Numbers::Shortest),
    style(" ", 4, false, Numbers::Shortest),
    style(" ", 2, true, Numbers::Floats),
    style(" ", 4, true, Numbers::Floats),
];

/// Bytes that a text may come to: an indent makes a short one with many levels as long as anybody likes.
const LONGEST: usize = 1024 * 1024;

/// The text in this style, unless it gets too long. It must be JSON.
pub fn rewritten(text: &str, style: Style) -> Option<String> {
    let (mut out, mut level, mut rest) = (String::new(), 0, text);
    while let Some(first) = rest.chars().next() {
        if out.len() > LONGEST {
            return None;
        }
        let length = token(rest);
        let (this, after) = rest.split_at(length);
        rest = after;
        let empty = || after.trim_start().starts_with([']', '}']);
        match first {
            '{' | '[' => {
                out.push(first);
                level += 1;
                if !empty() {
                    line(&mut out, style, level);
                }
            }
            '}' | ']' => {
                level = level.saturating_sub(1);
                if !out.ends_with(['{', '[']) {
                    line(&mut out, style, level);
                }
                out.push(first);
            }
            ',' => {
                out.push(',');
                if style.indent > 0 {
                    line(&mut out, style, level);
                } else {
                    out.push_str(style.gap);
                }
            }
            ':' => {
                out.push(':');
                out.push_str(style.gap);
            }
            '"' if style.ascii => escape(&mut out, this),
            '-' | '0'..='9' => number(&mut out, this, style.numbers),
            space if space.is_ascii_whitespace() => {}
            _ => out.push_str(this),
        }
    }
    Some(out)
}

/// The length of the token that the text begins with.
fn token(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate();
    match bytes.next() {
        Some((_, b'"')) => {
            let mut escaped = false;
            let end = bytes.find(|(_, byte)| {
                let end = *byte == b'"' && !escaped;
                escaped = *byte == b'\\' && !escaped;
                end
            });
            end.map_or(text.len(), |(at, _)| at + 1)
        }
        Some((_, b'-' | b'0'..=b'9')) => {
            let part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
            bytes.find(|(_, byte)| !part(*byte)).map_or(text.len(), |(at, _)| at)
        }
        _ => text.chars().next().map_or(0, char::len_utf8),
    }
}

fn line(out: &mut String, style: Style, level: usize) {
    if style.indent > 0 {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', style.indent * level));
    }
}

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

fn number(out: &mut String, text: &str, numbers: Numbers) {
    let fraction = text.contains(['.', 'e', 'E']);
    match text.parse::<f64>() {
        Ok(value) if fraction && numbers == Numbers::Shortest => {
            let _ = write!(out, "{value}");
        }
        Ok(value) if fraction && numbers == Numbers::Floats => {
            let _ = write!(out, "{value:?}");
        }
        _ => out.push_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"a":[1,12.50,100.00],"e":{},"l":[],"t":"é \"😀\" , :","n":null}"#;

    #[test]
    fn json_is_written_as_python_and_javascript_write_it() {
        let written = |text: &str, style| rewritten(text, style).unwrap();
        let all: Vec<String> = STYLES.iter().map(|style| written(TEXT, *style)).collect();
        assert_eq!(all[0], TEXT);
        // JSON.stringify(JSON.parse(text))
        let javascript = r#"{"a":[1,12.5,100],"e":{},"l":[],"t":"é \"😀\" , :","n":null}"#;
        assert_eq!(all[1], javascript);
        // json.dumps(json.loads(text))
        let python = r#"{"a": [1, 12.5, 100.0], "e": {}, "l": [], "t": "\u00e9 \"\ud83d\ude00\" , :", "n": null}"#;
        assert_eq!(all[2], python);
        // JSON.stringify(JSON.parse(text), null, 2)
        let pretty = "{\n  \"a\": [\n    1,\n    12.5,\n    100\n  ],\n  \"e\": {},\n  \"l\": [],\n  \
                      \"t\": \"é \\\"😀\\\" , :\",\n  \"n\": null\n}";
        assert_eq!(all[6], pretty);
        for text in &all {
            assert_eq!(
                written(text, STYLES[1]).len(),
                written(TEXT, STYLES[1]).len() + if text.is_ascii() { 12 } else { 0 }
            );
        }
    }

    #[test]
    fn a_text_that_an_indent_makes_endless_is_given_up() {
        let deep = format!(
            "{}{}{}",
            "[".repeat(120),
            "0,".repeat(100_000),
            "0".to_owned() + &"]".repeat(120)
        );
        let written = STYLES.iter().map(|style| rewritten(&deep, *style));
        for (style, text) in STYLES.iter().zip(written) {
            assert_eq!(text.is_some(), style.indent == 0);
        }
    }

    #[test]
    fn what_is_no_json_is_written_somehow_and_does_no_harm() {
        for text in ["", "}", "]]", "\"open", "\"\\", "{\"a\":", "-", "é", "tru"] {
            for style in STYLES {
                let _ = rewritten(text, *style);
            }
        }
    }
}
