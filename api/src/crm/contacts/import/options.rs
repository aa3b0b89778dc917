//! How a caller wants its rows imported: the query of `POST /contacts/import`.

use std::str::FromStr;

use shared::import::{INLINE, MOST, MOST_AT_ONCE, MatchBy, Mode};

use crate::error::{Details, Error, Result};
use crate::http::json::{Members, Value};

/// Whether the caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// When the import is small.
    Auto,
    /// Always, so that it must be small.
    Always,
    /// Never.
    Never,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub mode: Mode,
    pub match_by: Option<MatchBy>,
    pub waits: Waits,
    pub atomic: bool,
    pub events: bool,
    pub dry_run: bool,
}

impl Options {
    /// Reads a query; `dryRun` has been read already, and `faults` were found.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every parameter that is wrong.
    pub(super) fn read(query: &str, dry_run: bool, mut faults: Details) -> Result<Self> {
        let (mut mode, mut match_by, mut waits, mut atomic, mut events) =
            (Mode::Create, None, Waits::Auto, false, true);
        let mut seen = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let known = match &*name {
                "mode" => word(&value, Mode::NAMES).map(|word| mode = word),
                "matchBy" => word(&value, MatchBy::NAMES).map(|word| match_by = Some(word)),
                "async" => waiting(&value).map(|word| waits = word),
                "atomic" => boolean(&value).map(|word| atomic = word),
                "events" => boolean(&value).map(|word| events = word),
                _ => continue,
            };
            if let Err(fault) = known {
                faults.insert(name.to_string(), fault);
            } else if seen.contains(&name) {
                faults.insert(name.to_string(), "Is given twice".to_owned());
            }
            seen.push(name);
        }
        match mode {
            Mode::Create if match_by.is_some() => {
                let fault = "Needs mode=upsert or mode=skip";
                faults.entry("matchBy".to_owned()).or_insert_with(|| fault.to_owned());
            }
            Mode::Create => {}
            Mode::Upsert | Mode::Skip => match_by = match_by.or(Some(MatchBy::Email)),
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        Ok(Self { mode, match_by, waits, atomic, events, dry_run })
    }

    /// The most rows, and the answer to more.
    pub(super) fn most(self) -> (usize, String) {
        let (most, why) = if self.waits == Waits::Always {
            (INLINE, " with async=false")
        } else if self.atomic || self.dry_run {
            (MOST_AT_ONCE, " with atomic or dryRun")
        } else {
            (MOST, "")
        };
        (most, format!("Must be 1 to {most}{why}"))
    }

    /// What a row must have and has not.
    pub(super) fn missing(self, row: &Members) -> Details {
        let mut missing = Details::new();
        if self.mode == Mode::Create && !row.contains_key("name") {
            missing.insert("name".to_owned(), "Is required".to_owned());
        }
        if let Some(field) = self.match_by.map(MatchBy::as_str)
            && matches!(row.get(field), None | Some(Value::Null))
        {
            missing.insert(field.to_owned(), "Is required to match by".to_owned());
        }
        missing
    }
}

fn word<T: FromStr>(value: &str, names: &[&str]) -> std::result::Result<T, String> {
    value.parse().map_err(|_| format!("Must be one of {}", names.join(", ")))
}

fn waiting(value: &str) -> std::result::Result<Waits, String> {
    match value {
        "auto" => Ok(Waits::Auto),
        "true" => Ok(Waits::Never),
        "false" => Ok(Waits::Always),
        _ => Err("Must be one of auto, true, false".to_owned()),
    }
}

fn boolean(value: &str) -> std::result::Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("Must be true or false".to_owned()),
    }
}
