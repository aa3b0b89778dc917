//! A filter, and the two forms that are kept of it: the JSON that its tenant sees, and a jsonpath that the relay
//! evaluates inside its statement. The path is built of these parts only: names that are known, words of ours, and
//! literals quoted as JSON, whose escapes are those of jsonpath too.

use shared::event::promised;

use super::members::PREVIOUS;

/// Which events pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of these hold.
    All(Vec<Filter>),
    /// One of these holds.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The update changed one of these members.
    Changed(Vec<String>),
    /// The event is one that these patterns stand for.
    Event(Vec<String>),
    /// A member of `data` is as all of these say.
    Field(String, Vec<(Operator, Operand)>),
}

shared::words! {
    /// How a member is compared.
    pub enum Operator {
        /// Is it.
        Eq = "eq",
        /// Is there and is anything else.
        Ne = "ne",
        /// Is greater, or later.
        Gt = "gt",
        /// Is as great or greater, as late or later.
        Gte = "gte",
        /// Is less, or earlier.
        Lt = "lt",
        /// Is as little or less, as early or earlier.
        Lte = "lte",
        /// Is one of these.
        In = "in",
        /// Is a text that has this in it.
        Contains = "contains",
        /// Is a text that begins with this.
        StartsWith = "startsWith",
        /// Whether it is missing or `null`.
        IsNull = "isNull",
    }
}

/// What a member is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number in plain decimals.
    Number(String),
    /// A text.
    Text(String),
    /// A time as events write it.
    Time(String),
    /// Some of these.
    Values(Vec<Operand>),
}

impl Filter {
    /// The JSON that answers show.
    pub(super) fn written(&self) -> String {
        match self {
            Self::All(parts) => format!(r#"{{"all":[{}]}}"#, join(parts, ",", Self::written)),
            Self::Any(parts) => format!(r#"{{"any":[{}]}}"#, join(parts, ",", Self::written)),
            Self::Not(part) => format!(r#"{{"not":{}}}"#, part.written()),
            Self::Changed(names) => format!(r#"{{"changed":[{}]}}"#, list(names)),
            Self::Event(patterns) => format!(r#"{{"event":[{}]}}"#, list(patterns)),
            Self::Field(name, tests) => {
                let test = |(operator, operand): &(Operator, Operand)| {
                    format!("{}:{}", quoted(operator.as_str()), operand.written())
                };
                format!(r#"{{"field":{},{}}}"#, quoted(name), join(tests, ",", test))
            }
        }
    }

    /// The jsonpath that is true of the `data` of events that pass; `$event` is the event's name. Each part of it is
    /// true or false and never unknown, so that `not` means what it says.
    pub(super) fn path(&self) -> String {
        match self {
            Self::All(parts) => format!("({})", join(parts, " && ", Self::path)),
            Self::Any(parts) => format!("({})", join(parts, " || ", Self::path)),
            Self::Not(part) => format!("!({})", part.path()),
            // A stage's event has the whole stage before it.
            Self::Changed(names) => {
                let former =
                    |name: &String| format!("exists($.{}.{})", quoted(PREVIOUS), quoted(name));
                let stage = quoted("pipeline.stage.updated");
                format!("($event != {stage} && ({}))", join(names, " || ", former))
            }
            Self::Event(patterns) => {
                format!("({})", join(patterns, " || ", |pattern| event(pattern)))
            }
            Self::Field(name, tests) => {
                let steps = join(&name.split('.').collect::<Vec<_>>(), ".", |step| quoted(step));
                let test = |(operator, operand): &(Operator, Operand)| {
                    let condition = condition(*operator, operand);
                    let missing = (*operator, operand) == (Operator::IsNull, &Operand::Bool(true));
                    format!("{}exists($.{steps} ? ({condition}))", if missing { "!" } else { "" })
                };
                format!("({})", join(tests, " && ", test))
            }
        }
    }
}

/// What holds of the event's name. A family is no list of names: one that comes later is of it too, as where webhooks
/// name events. `*` is one, of those that were promised: the extensions are not among them.
fn event(pattern: &str) -> String {
    let is = |name: &str| format!("$event == {}", quoted(name));
    match pattern.strip_suffix('*') {
        Some("") => join(&promised().collect::<Vec<_>>(), " || ", |name| is(name)),
        Some(family) => format!("$event starts with {}", quoted(family)),
        None => is(pattern),
    }
}

/// What holds of the member `@`.
fn condition(operator: Operator, operand: &Operand) -> String {
    let value = operand.written();
    let ordered = |sign: &str| match operand {
        // Times are of one form and so in the order of their texts; other texts are none.
        Operand::Time(_) => {
            format!(
                r#"@ like_regex "^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:.]+Z$" && @ {sign} {value}"#
            )
        }
        _ => format!("@ {sign} {value}"),
    };
    match operator {
        Operator::Eq => format!("@ == {value}"),
        // Whether a text is a number is not known, says jsonpath.
        Operator::Ne => format!("!(@ == {value}) || (@ == {value}) is unknown"),
        Operator::Gt => ordered(">"),
        Operator::Gte => ordered(">="),
        Operator::Lt => ordered("<"),
        Operator::Lte => ordered("<="),
        Operator::In => match operand {
            Operand::Values(values) => {
                join(values, " || ", |one| format!("@ == {}", one.written()))
            }
            one => format!("@ == {}", one.written()),
        },
        Operator::Contains => format!(r#"@ like_regex {value} flag "q""#),
        Operator::StartsWith => format!("@ starts with {value}"),
        Operator::IsNull => "@ != null".to_owned(),
    }
}

impl Operand {
    /// As JSON and jsonpath both write it.
    fn written(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => text.clone(),
            Self::Text(text) | Self::Time(text) => quoted(text),
            Self::Values(values) => format!("[{}]", join(values, ",", Self::written)),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(names: &[String]) -> String {
    join(names, ",", |name| quoted(name))
}

fn join<T>(parts: &[T], between: &str, write: impl Fn(&T) -> String) -> String {
    parts.iter().map(write).collect::<Vec<_>>().join(between)
}
