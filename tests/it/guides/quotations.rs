//! What the guides quote is there, letter by letter.

use crate::architecture::source::{Source, file, files};
use crate::telemetry::runbooks::blocks;

use super::receivers::FILES;

#[test]
fn the_guide_to_receivers_quotes_each_of_them_whole() {
    let guide = file("docs/receivers.md").unwrap();
    for name in FILES {
        let receiver = file(&format!("docs/receivers/{name}")).unwrap();
        assert!(
            guide.text.contains(&format!("\n{}```\n", receiver.text)),
            "docs/receivers.md does not quote {name} as it is"
        );
    }
}

/// Neither blank, nor a comment, nor one that only names what is used.
fn is_code(line: &str) -> bool {
    let line = line.trim();
    let aside = ["//", "#", "import", "using ", "use ", "require ", "from ", "package ", "\"", ")"];
    !line.is_empty() && !aside.iter().any(|start| line.starts_with(start))
}

#[test]
fn a_receiver_has_less_than_50_lines_of_code() {
    for name in FILES {
        let receiver = file(&format!("docs/receivers/{name}")).unwrap();
        let lines = receiver.text.lines().filter(|line| is_code(line)).count();
        assert!(lines < 50, "{name} has {lines}");
    }
}

#[test]
fn the_pattern_of_a_resource_is_quoted_from_its_code() {
    let guide = file("docs/adding-a-resource.md").unwrap();
    let code: String =
        files(&["api/src/crm/contacts"], ".rs").iter().map(|source| &*source.text).collect();
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    let code = squeezed(&code);
    let quoted: Vec<_> = blocks(&guide, "rust").collect();
    assert!(!quoted.is_empty());
    for block in quoted {
        for part in block.split('…').map(squeezed).filter(|part| !part.is_empty()) {
            assert!(code.contains(&part), "api/src/crm/contacts does not have {part}");
        }
    }
}

/// What stands between single backticks in a document and looks like a name of the code.
fn names(document: &Source) -> Vec<&str> {
    let prose = document.text.split("```").step_by(2);
    let quoted = prose.flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let name = |text: &&str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c))
            && text.chars().any(|c| c.is_ascii_alphabetic())
    };
    quoted.map(|text| text.trim_end_matches("()")).filter(name).collect()
}

#[test]
fn every_name_in_the_guide_to_a_new_resource_is_in_the_code() {
    let guide = file("docs/adding-a-resource.md").unwrap();
    let mut code = files(&["api/src", "shared/src", "tests/it"], ".rs");
    code.extend(files(&["migrations"], ".sql"));
    let known = |name: &str| {
        let last = name.rsplit("::").next().unwrap_or(name);
        code.iter().any(|source| source.text.contains(last))
    };
    let names = names(&guide);
    assert!(names.contains(&"TenantTx"), "{names:?}");
    let unknown: Vec<_> = names.into_iter().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_dev_container_is_set_up_by_commands_that_exist() {
    let container = file(".devcontainer/devcontainer.json").unwrap();
    let container: serde_json::Value = serde_json::from_str(&container.text).unwrap();
    let commands = ["onCreateCommand", "postCreateCommand"].map(|name| container[name].as_str());
    let commands = commands.map(Option::unwrap).join(" && ");
    assert!(commands.contains("sh tests/setup.sh test"), "{commands}");
    let makefile = file("Makefile").unwrap().text;
    let targets: Vec<_> =
        commands.split(" && ").filter_map(|one| one.strip_prefix("make ")).collect();
    assert!(!targets.is_empty());
    for target in targets {
        assert!(makefile.contains(&format!("\n{target}: ##")), "no make {target}");
    }
}
