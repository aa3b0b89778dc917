//! The repository as text.

use std::fs;
use std::path::{Path, PathBuf};

/// One file, its path as the repository names it.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// The folder that everything lies in.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every file with this ending under these folders, in order.
pub fn files(folders: &[&str], ending: &str) -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), ending, &mut paths);
    }
    paths.sort();
    paths.iter().map(|path| read(&root, path)).collect()
}

/// One file; `None` while it does not exist.
pub fn file(path: &str) -> Option<Source> {
    let text = fs::read_to_string(root().join(path)).ok()?;
    Some(Source { path: path.to_owned(), text })
}

fn read(root: &Path, path: &Path) -> Source {
    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    Source { path: name, text: fs::read_to_string(path).unwrap() }
}

fn collect(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder);
    for entry in entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, ending, into);
        } else if path.to_str().unwrap().ends_with(ending) {
            into.push(path);
        }
    }
}

/// The least that `#[cfg(test)]` can stand above.
const LAST: &str = "\nmod tests {\n}\n";

/// Whether this is one module that ends the file.
fn is_last(tests: &str) -> bool {
    let Some(module) = tests.strip_prefix("\nmod tests {") else { return false };
    // The first line that is indented no more ends it.
    module.split_once("\n}\n").is_some_and(|(_, behind)| behind.is_empty())
}

impl Source {
    /// What runs in production: without comments and without the tests at the end. Nothing may stand behind those: it
    /// would be taken for one of them.
    pub fn code(&self) -> String {
        // Tests in a file of their own are named at the top.
        let code = self.text.replace("#[cfg(test)]\nmod tests;\n", "");
        let (code, tests) = code.split_once("#[cfg(test)]").unwrap_or((&code, LAST));
        assert!(is_last(tests), "{}: put the tests in one module at the end", self.path);
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| line.split(" // ").next().unwrap_or_default()).fold(
            String::new(),
            |mut all, line| {
                all.push_str(line);
                all.push('\n');
                all
            },
        )
    }
}

/// Whether `code` holds `name` as a whole name, not as a part of a longer one.
pub fn mentions(code: &str, name: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        !before.is_some_and(inside) && !after.is_some_and(inside)
    })
}

#[test]
fn a_name_is_found_whole_and_comments_and_tests_are_not_code() {
    assert!(mentions("use axum::Router;", "axum"));
    assert!(!mentions("use my_axum::Router;", "axum"));
    let source = Source {
        path: String::new(),
        text: "//! axum\nlet a = 1; // axum\n#[cfg(test)]\nmod tests {\n    use axum;\n}\n".into(),
    };
    assert!(!mentions(&source.code(), "axum"));
    let text = "#[cfg(test)]\nmod tests;\n\nuse axum::Router;\n#[cfg(test)]\nmod tests {\n    use tower;\n}\n";
    let source = Source { path: String::new(), text: text.into() };
    assert!(mentions(&source.code(), "axum") && !mentions(&source.code(), "tower"));
}

#[test]
fn code_behind_the_tests_or_for_tests_alone_in_the_middle_is_noticed() {
    for behind in ["", "\nfn a() {}\n", "\nmod more {\n}\n"] {
        let tests = format!("\nmod tests {{\n    fn b() {{\n    }}\n}}\n{behind}");
        assert_eq!(is_last(&tests), behind.is_empty(), "{tests}");
    }
    assert!(is_last(LAST) && !is_last("\nfn only_for_tests() {}\n") && !is_last("\nmod tests {\n"));
}
