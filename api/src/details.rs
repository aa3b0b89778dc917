//! What is wrong with each field, as errors and rows of imports show it.

use std::collections::BTreeMap;

/// What is wrong with each field, by its path (`stages[0].name`).
pub type Details = BTreeMap<String, String>;

/// What is said of a member that nobody asked for.
pub(crate) const UNKNOWN: &str = "Unknown field";

/// Faults that are shown of one body or row.
const SHOWN: usize = 50;

/// Where it says how many faults are not shown; no field begins with `_`.
const MORE: &str = "_more";

/// At most [`SHOWN`] faults, those of known fields first, and how many more there are: a body of 1 MiB can have 20,000
/// unknown members, and an import keeps what is wrong with each of its rows.
#[must_use]
pub(crate) fn shown(faults: Details) -> Details {
    let more = faults.len().saturating_sub(SHOWN);
    if more == 0 {
        return faults;
    }
    let (unknown, known): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|fault| fault.1 == UNKNOWN);
    let first = known.into_iter().chain(unknown).take(SHOWN);
    first.chain([(MORE.to_owned(), format!("And {more} more"))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_of_known_fields_are_shown_before_those_of_others() {
        let mut faults: Details =
            (0..60).map(|n| (format!("a{n:02}"), UNKNOWN.to_owned())).collect();
        faults.insert("name".to_owned(), "Is required".to_owned());
        let shown = shown(faults);
        assert_eq!(shown.len(), SHOWN + 1);
        assert_eq!((shown["name"].as_str(), shown[MORE].as_str()), ("Is required", "And 11 more"));
        assert!(shown.contains_key("a48") && !shown.contains_key("a49"));
    }

    #[test]
    fn as_many_faults_as_are_shown_stay_as_they_are() {
        let faults: Details = (0..SHOWN).map(|n| (n.to_string(), UNKNOWN.to_owned())).collect();
        assert_eq!(shown(faults.clone()), faults);
    }
}
