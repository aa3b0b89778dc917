//! JSON for readers: in the order in which the api wrote it, an object or list on one line where it fits.

/// The longest line, in characters.
const WIDTH: usize = 110;

/// Breaks a text of JSON without white space into lines.
pub fn laid_out(json: &str) -> String {
    value(json, 0, 0)
}

fn value(json: &str, indent: usize, before: usize) -> String {
    let brackets = json.chars().next().zip(json.chars().last());
    let Some((open @ ('{' | '['), close)) = brackets else { return json.to_owned() };
    if indent + before + json.chars().count() <= WIDTH || json.len() == 2 {
        return json.to_owned();
    }
    let items = items(&json[1..json.len() - 1]);
    let (inner, outer) = (" ".repeat(indent + 2), " ".repeat(indent));
    let lines = if open == '[' && items.iter().all(|item| !item.starts_with(['{', '['])) {
        filled(&items, WIDTH - indent - 2)
    } else {
        items.iter().map(|item| member(item, indent + 2)).collect()
    };
    format!("{open}\n{inner}{}\n{outer}{close}", lines.join(&format!(",\n{inner}")))
}

fn member(item: &str, indent: usize) -> String {
    match item.strip_prefix('"').and_then(|rest| rest.split_once("\":")) {
        Some((name, rest)) if !name.contains('"') => {
            format!("\"{name}\": {}", value(rest, indent, name.len() + 4))
        }
        _ => value(item, indent, 0),
    }
}

/// Short words, as many on a line as fit.
fn filled(items: &[&str], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if line.len() + item.len() + 2 <= width => {
                line.push(',');
                line.push_str(item);
            }
            _ => lines.push((*item).to_owned()),
        }
    }
    lines
}

/// What stands between the commas of the outermost level.
fn items(json: &str) -> Vec<&str> {
    let (mut items, mut start, mut depth, mut quoted, mut escaped) =
        (Vec::new(), 0, 0, false, false);
    for (at, c) in json.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&json[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&json[start..]);
    items
}

#[test]
fn json_is_broken_into_lines_only_where_it_is_long() {
    let short = r#"{"a":"x, \"y\" {","b":[1,2]}"#;
    assert_eq!(laid_out(short), short);
    let long = format!(r#"{{"a":{{"t":"{}"}},"b":[]}}"#, "x".repeat(WIDTH - 10));
    let shown = format!(
        "{{\n  \"a\": {{\n    \"t\": \"{}\"\n  }},\n  \"b\": []\n}}",
        "x".repeat(WIDTH - 10)
    );
    assert_eq!(laid_out(&long), shown);
    let words = format!("[{}]", vec!["\"word\""; 40].join(","));
    assert_eq!(laid_out(&words).lines().count(), 5);
}
