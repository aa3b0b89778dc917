//! What a machine cannot run.

use std::io::Write as _;

/// Says that something was not run and why, past the capture of a test's output: whoever reads a green run is to know.
/// Where `NO_SKIPS` has the kind among its words, or is `all`, it fails instead.
pub fn skip(kind: &str, what: &str, why: &str) {
    let wish = std::env::var("NO_SKIPS").unwrap_or_default();
    assert!(!forbids(&wish, kind), "{what} was not run, and NO_SKIPS is {wish}: {why}");
    let said = format!("{what} was not run: {why}\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}

fn forbids(wish: &str, kind: &str) -> bool {
    wish.split([',', ' ']).any(|word| word == kind || word == "all")
}

#[cfg(test)]
mod tests {
    use super::forbids;

    #[test]
    fn what_is_named_may_not_be_passed_over_nor_may_anything_with_all() {
        for wish in ["disk", "languages,disk", "languages disk", "all"] {
            assert!(forbids(wish, "disk"), "{wish}");
        }
        for wish in ["", "languages", "disks"] {
            assert!(!forbids(wish, "disk"), "{wish}");
        }
    }
}
