//! Log lines as JSON, in the layout of tracing-subscriber's own. That keeps a span's fields as JSON and reads it again
//! for each field that is added and for each line, which was most of what a line cost (docs/decisions/0031).

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes a line: the time, the level, the event's fields, its target, and the innermost span with its fields.
pub(super) struct Lines;

impl<S> FormatEvent<S, Members> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Where a line of the crate `log` comes from is said in its fields.
        let logged = event.normalized_metadata();
        let about = logged.as_ref().unwrap_or_else(|| event.metadata());
        line.write_str(r#"{"timestamp":""#)?;
        SystemTime.format_time(&mut line)?;
        write!(line, r#"","level":"{}""#, about.level())?;
        Visitor::new(&mut line, ",", "").visit(event)?;
        line.write_str(r#","target":"#)?;
        text(&mut line, about.target())?;
        let parent = event.parent().and_then(|id| context.span(id));
        if let Some(span) = parent.or_else(|| context.lookup_current()) {
            line.write_str(r#","span":{"name":"#)?;
            text(&mut line, span.name())?;
            if let Some(members) = span.extensions().get::<FormattedFields<Members>>() {
                members.fields.lines().try_for_each(|member| write!(line, ",{member}"))?;
            }
            line.write_char('}')?;
        }
        line.write_str("}\n")
    }
}

/// Keeps a span's fields as members of an object, one on a line.
pub(super) struct Members;

impl<'a> FormatFields<'a> for Members {
    fn format_fields<R: RecordFields>(&self, mut members: Writer<'a>, fields: R) -> fmt::Result {
        Visitor::new(&mut members, "", "\n").visit(fields)
    }

    /// A field that is recorded again replaces its earlier value.
    fn add_fields(
        &self,
        current: &'a mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut fresh = String::new();
        Visitor::new(&mut fresh, "", "\n").visit(fields)?;
        let members = &mut current.fields;
        let names = fresh.lines().filter_map(|member| Some(member.split_once(':')?.0));
        for name in names {
            if members.lines().any(|member| member.starts_with(name)) {
                let others = members.lines().filter(|member| !member.starts_with(name));
                *members = others.flat_map(|member| [member, "\n"]).collect();
            }
        }
        members.write_str(&fresh)
    }
}

/// Writes fields as members of an object, with something before and behind each.
struct Visitor<'a> {
    into: &'a mut dyn Write,
    before: &'static str,
    behind: &'static str,
    written: fmt::Result,
}

impl<'a> Visitor<'a> {
    fn new(into: &'a mut dyn Write, before: &'static str, behind: &'static str) -> Self {
        Self { into, before, behind, written: Ok(()) }
    }

    fn visit(mut self, fields: impl RecordFields) -> fmt::Result {
        fields.record(&mut self);
        self.written
    }

    fn member(&mut self, field: &Field, value: impl FnOnce(&mut dyn Write) -> fmt::Result) {
        // What a line of the crate `log` says of its own place.
        if self.written.is_err() || field.name().starts_with("log.") {
            return;
        }
        self.written = (|| {
            self.into.write_str(self.before)?;
            text(self.into, field.name())?;
            self.into.write_char(':')?;
            value(self.into)?;
            self.into.write_str(self.behind)
        })();
    }
}

impl Visit for Visitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |into| text(into, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |into| write!(into, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |into| write!(into, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |into| write!(into, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers.
        if value.is_finite() {
            self.member(field, |into| write!(into, "{value:?}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |into| {
            into.write_char('"')?;
            write!(Escaped(into), "{value:?}")?;
            into.write_char('"')
        });
    }
}

fn text(into: &mut dyn Write, text: &str) -> fmt::Result {
    into.write_char('"')?;
    Escaped(into).write_str(text)?;
    into.write_char('"')
}

/// The inside of a JSON string (RFC 8259, section 7).
struct Escaped<'a>(&'a mut dyn Write);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c < ' ' || matches!(c, '"' | '\\')) {
            let (plain, special) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut behind = special.chars();
            match behind.next() {
                Some(c @ ('"' | '\\')) => write!(self.0, "\\{c}")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some(c) => write!(self.0, "\\u{:04x}", u32::from(c))?,
                None => {}
            }
            rest = behind.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::field::Empty;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The one line that is logged, without its time.
    fn line(log: impl FnOnce()) -> Value {
        let output = Output::default();
        let writer = output.clone();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(Members)
            .event_format(Lines)
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = output.0.lock().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let mut line: Value = serde_json::from_str(text).unwrap();
        let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
        line
    }

    #[test]
    fn a_line_has_the_fields_of_its_event_beside_those_of_its_span() {
        let logged = line(|| {
            let span = tracing::info_span!("request", method = %"GET", id = 1, tenant = Empty);
            span.record("tenant", "acme");
            span.in_scope(|| tracing::warn!(status = 200_u16, ratio = 0.5, "done"));
        });
        let span = json!({ "name": "request", "method": "GET", "id": 1, "tenant": "acme" });
        let target = module_path!();
        assert_eq!(
            logged,
            json!({ "level": "WARN", "message": "done", "status": 200, "ratio": 0.5,
                    "target": target, "span": span })
        );
    }

    #[test]
    fn what_is_not_known_is_left_out_and_a_line_outside_of_spans_has_none() {
        let none: Option<&str> = None;
        let logged = line(|| tracing::info!(none, whole = f64::from(2_u8), odd = f64::NAN, "said"));
        let target = module_path!();
        assert_eq!(
            logged,
            json!({ "level": "INFO", "message": "said", "whole": 2.0, "odd": "NaN", "target": target })
        );
    }

    #[test]
    fn of_what_is_said_again_the_last_counts() {
        let logged = line(|| {
            let span = tracing::info_span!("request", event = Empty, event_id = Empty);
            span.record("event_id", 1);
            span.record("event", "a");
            span.record("event_id", 2);
            span.in_scope(|| tracing::info!("done"));
        });
        assert_eq!(logged["span"], json!({ "name": "request", "event": "a", "event_id": 2 }));
    }

    #[test]
    fn whatever_is_said_a_line_is_one_line_of_json_that_says_it() {
        let said = "a \"quote\", a \\, a\nbreak, a\ttab, \u{0}\u{1f}, é and \u{1f600}";
        let logged = line(|| {
            let span = tracing::info_span!("request", said, shown = %said, debug = ?said);
            span.in_scope(|| tracing::info!(error = said, "{said}"));
        });
        assert_eq!((&logged["message"], &logged["error"]), (&json!(said), &json!(said)));
        let span = &logged["span"];
        assert_eq!((&span["said"], &span["shown"]), (&json!(said), &json!(said)));
        assert_eq!(span["debug"], json!(format!("{said:?}")));
    }

    #[test]
    fn a_line_of_the_crate_log_says_where_it_comes_from() {
        use tracing_log::log::{Level, Record};
        let logged = line(|| {
            let mut record = Record::builder();
            record.level(Level::Warn).target("elsewhere::deep").args(format_args!("slow"));
            tracing_log::format_trace(&record.build()).unwrap();
        });
        assert_eq!(
            logged,
            json!({ "level": "WARN", "message": "slow", "target": "elsewhere::deep" })
        );
    }
}
