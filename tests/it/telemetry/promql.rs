//! As much of `PromQL`, and of a file of rules, as it takes to find the metrics in it.

use std::collections::BTreeSet;

/// The metrics that an expression of `PromQL` asks for.
pub fn metrics_of(expression: &str) -> BTreeSet<String> {
    let (mut found, mut rest) = (BTreeSet::new(), expression);
    let word = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
    while let Some(c) = rest.chars().next() {
        let skip = |open: char, close: char| {
            (rest.starts_with(open)).then(|| rest.find(close).map_or(rest.len(), |end| end + 1))
        };
        if let Some(end) = skip('{', '}').or_else(|| skip('[', ']')) {
            rest = &rest[end..];
            continue;
        }
        if !word(c) {
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (name, behind) = rest.split_at(rest.find(|c| !word(c)).unwrap_or(rest.len()));
        rest = behind.trim_start();
        let grouping = ["by", "without", "on", "ignoring", "group_left"].contains(&name);
        if grouping && rest.starts_with('(') {
            rest = &rest[rest.find(')').map_or(rest.len(), |end| end + 1)..];
        } else if !rest.starts_with('(') && !is_aggregation(rest) && !is_keyword(name) {
            found.insert(name.to_owned());
        }
    }
    found
}

/// What stands before `by (…)` or `without (…)`.
fn is_aggregation(behind: &str) -> bool {
    behind.starts_with("by ") || behind.starts_with("without ")
}

fn is_keyword(word: &str) -> bool {
    let known = ["and", "or", "unless", "bool", "offset", "inf", "Inf"];
    word.starts_with(|c: char| c.is_ascii_digit())
        || known.contains(&word)
        || ["by", "without", "on", "ignoring", "group_left"].contains(&word)
}

/// The expressions of a file of rules, each with what it is recorded as, if anything.
pub fn rules(text: &str) -> Vec<(Option<String>, String)> {
    let mut rules = Vec::new();
    let (mut record, mut lines) = (None, text.lines().peekable());
    while let Some(line) = lines.next() {
        let bare = line.trim_start().trim_start_matches("- ");
        if bare.starts_with("alert:") {
            record = None;
        } else if let Some(name) = bare.strip_prefix("record: ") {
            record = Some(name.to_owned());
        } else if let Some(first) = bare.strip_prefix("expr:") {
            let indent = line.len() - line.trim_start().len();
            let mut whole = first.trim().trim_start_matches(['|', '>', '-']).to_owned();
            let deeper = |line: &&str| line.len() - line.trim_start().len() > indent;
            while let Some(line) = lines.next_if(deeper) {
                whole += " ";
                whole += line.trim();
            }
            rules.push((record.take(), whole));
        }
    }
    rules
}

#[test]
fn the_reader_of_expressions_finds_metrics_and_nothing_else() {
    let found = metrics_of(
        r#"histogram_quantile(0.99, sum by (le, route) (rate(a_seconds_bucket{job="x",b!~"c"}[5m]))) > 1
           and on (job) up{job="y"} == 0 unless job:errors:ratio5m > 14.4 * 0.001"#,
    );
    let expected = ["a_seconds_bucket", "job:errors:ratio5m", "up"];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    let read = rules("- alert: A\n  expr: |\n    x\n    > 1\n  for: 1m\n- record: r\n  expr: y\n");
    let expected = [(None, "x > 1"), (Some("r"), "y")];
    let read: Vec<_> = read.iter().map(|(name, text)| (name.as_deref(), text.trim())).collect();
    assert_eq!(read, expected);
}
