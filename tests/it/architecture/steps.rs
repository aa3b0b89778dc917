//! "Follow one event": six files, each naming the one before and the one after it.

use super::source::file;

const STEPS: [&str; 6] = [
    "api/src/crm/contacts/http.rs",
    "api/src/crm/contacts/mod.rs",
    "shared/src/outbox.rs",
    "worker/src/relay.rs",
    "worker/src/deliver.rs",
    "worker/src/retry.rs",
];

#[test]
fn the_six_steps_of_an_event_name_each_other() {
    for (at, path) in STEPS.iter().enumerate() {
        let source =
            file(path).unwrap_or_else(|| panic!("{path} is step {} and does not exist", at + 1));
        let header = source.text.lines().next().unwrap_or_default();
        let rest = header
            .strip_prefix(&format!("//! Step {} of 6. Before: ", at + 1))
            .unwrap_or_else(|| panic!("{path} does not begin with its step: {header}"));
        let (before, after) = rest.split_once(". After: ").expect("both neighbours");
        let after = after.strip_suffix('.').expect("a full stop");
        if at > 0 {
            assert_eq!(before, STEPS[at - 1], "before {path}");
        }
        if at + 1 < STEPS.len() {
            assert_eq!(after, STEPS[at + 1], "after {path}");
        }
        assert!(!before.is_empty() && !after.is_empty(), "{header}");
    }
}
