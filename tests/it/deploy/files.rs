//! What is under `deploy/` says the same as the code, and as itself. `make lint-deploy` asks the tools of those who
//! read it.

use std::fs;
use std::path::{Path, PathBuf};

use super::daemon::deploy;

fn root() -> PathBuf {
    deploy().join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file under this folder, but secrets that somebody made.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries
        .filter(|path| !path.ends_with("secrets"))
        .flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] });
    files.collect()
}

#[test]
fn the_images_are_built_of_what_is_there_by_the_version_of_rust_that_is_needed() {
    let (dockerfile, ignore) = (read("deploy/Dockerfile"), read(".dockerignore"));
    let copied = dockerfile.lines().filter_map(|line| line.strip_prefix("COPY "));
    let sources: Vec<_> = copied
        .filter(|line| !line.starts_with("--from"))
        .flat_map(|line| line.split_whitespace().rev().skip(1))
        .collect();
    assert!(sources.len() > 8, "{sources:?}");
    for source in sources {
        assert!(root().join(source).exists(), "{source} is not there");
        let let_through = |kept: &str| Path::new(source).starts_with(kept);
        let kept = ignore.lines().filter_map(|line| line.strip_prefix('!')).any(let_through);
        assert!(kept, "{source} is ignored");
    }
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let image = format!("rust:{}.", version.unwrap().trim_matches('"'));
    assert!(dockerfile.contains(&image), "{image} is not what builds");
    for target in ["AS api", "AS worker"] {
        assert!(dockerfile.lines().any(|line| line.starts_with("FROM") && line.ends_with(target)));
    }
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    for member in members.trim_matches(['[', ']']).split(", ") {
        let member = member.trim_matches('"');
        assert!(dockerfile.contains(&format!("COPY {member} {member}\n")), "{member}");
    }
}

/// Words like `DATABASE_URL` at the beginning of a line or a word.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let words = lines.flat_map(|line| line.split([' ', '"', '\'']));
    let set = words.map(move |word| {
        let word = word.strip_prefix("Environment=").unwrap_or(word);
        let end = word.find(|c| !name(c)).unwrap_or(word.len());
        &word[..end]
    });
    set.filter(|word| word.contains('_') && word.starts_with(|c: char| c.is_ascii_uppercase()))
}

#[test]
fn every_variable_that_a_deployment_sets_is_one_that_the_programs_read() {
    let known = crate::architecture::variables(&["api/src", "worker/src", "shared/src"]);
    let of_others = ["POSTGRES_", "GF_", "SQLX_OFFLINE", "LIAISON_VERSION", "API_A", "API_B"];
    let of_systemd = ["AF_INET", "AF_INET6", "AF_UNIX", "CAP_"];
    let read = |word: &str| {
        let plain = word.strip_suffix("_FILE").unwrap_or(word);
        known.iter().any(|name| name == plain || name == word)
    };
    let mut seen = 0;
    let folders =
        ["deploy/Dockerfile", "deploy/compose.yaml", "deploy/systemd", "deploy/kubernetes"];
    for path in folders.map(|path| root().join(path)) {
        for file in if path.is_dir() { below(&path) } else { vec![path] } {
            let text = fs::read_to_string(&file).unwrap();
            for word in variables(&text) {
                seen += 1;
                let others = of_others.iter().chain(&of_systemd);
                let others = others.copied().any(|prefix| word.starts_with(prefix));
                assert!(others || read(word), "{word} in {}", file.display());
            }
        }
    }
    assert!(seen > 30, "{seen} variables: the reader sees too few");
}

/// What a Kustomization takes from the files beside it.
fn parts(text: &str) -> Vec<&str> {
    let mut section = "";
    let mut parts = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        if let Some(part) = line.strip_prefix("  - ").filter(|part| !part.contains(": ")) {
            if ["resources:", "components:"].contains(&section) {
                parts.push(part.split(" #").next().unwrap_or(part).trim());
            }
        } else if !line.starts_with(' ') {
            section = line;
        }
    }
    parts
}

#[test]
fn every_part_of_a_kustomization_is_there_and_every_manifest_is_a_part_of_one() {
    let files = below(&root().join("deploy/kubernetes"));
    let (lists, manifests): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.ends_with("kustomization.yaml"));
    let mut named = Vec::new();
    for list in &lists {
        let text = fs::read_to_string(list).unwrap();
        for part in parts(&text) {
            let part = list.parent().unwrap().join(part);
            assert!(part.exists(), "{} of {}", part.display(), list.display());
            named.push(part.canonicalize().unwrap());
        }
    }
    for manifest in manifests {
        let manifest = manifest.canonicalize().unwrap();
        assert!(named.contains(&manifest), "nobody names {}", manifest.display());
    }
}

#[test]
fn what_the_compose_file_mounts_is_there_and_its_secrets_are_those_that_are_made() {
    let (compose, script) = (read("deploy/compose.yaml"), read("deploy/make-secrets.sh"));
    let mut mounted = 0;
    for line in compose.lines().map(str::trim) {
        if let Some((path, _)) = line.strip_prefix("- ./").and_then(|rest| rest.split_once(':')) {
            mounted += 1;
            assert!(deploy().join(path).exists(), "{path}");
        }
        if let Some((_, path)) = line.split_once("file: ./secrets/") {
            let name = path.trim_end_matches([' ', '}']);
            assert!(script.contains(&format!("keep {name} ")), "nobody makes {name}");
        }
    }
    assert!(mounted > 4, "{mounted} mounts");
}

/// The numbers of seconds after this key, in a file.
fn seconds(path: &str, key: &str) -> u64 {
    let text = read(path);
    let value = text.lines().find_map(|line| line.trim().strip_prefix(key)).expect(key).to_owned();
    value.trim_end_matches('s').trim().parse().expect(key)
}

/// An api stops within 25 s of its delay's end, a worker within 45 s (docs/operations.md).
#[test]
fn every_deployment_waits_for_a_stop_as_long_as_it_may_take() {
    let delay = seconds("deploy/kubernetes/base/kustomization.yaml", "- DRAIN_DELAY=");
    let grace = |file| seconds(file, "terminationGracePeriodSeconds:");
    assert!(grace("deploy/kubernetes/base/api.yaml") >= delay + 25);
    assert!(grace("deploy/kubernetes/base/worker.yaml") >= 45);
    assert!(seconds("deploy/systemd/liaison-api.service", "TimeoutStopSec=") >= 25);
    assert!(seconds("deploy/systemd/liaison-worker@.service", "TimeoutStopSec=") >= 45);
    let compose = read("deploy/compose.yaml");
    let graces: Vec<_> = compose.matches("stop_grace_period: 30s").collect();
    assert_eq!(graces.len(), 1);
    assert!(compose.contains("stop_grace_period: 45s"));
}

#[test]
fn workers_are_scaled_by_a_gauge_that_they_set() {
    let gauge = "webhook_oldest_due_seconds";
    assert!(read("worker/src/gauges.rs").contains(&format!("\"{gauge}\"")));
    for scaler in ["keda", "hpa"] {
        let scales = read(&format!("deploy/kubernetes/components/{scaler}/worker.yaml"));
        assert!(scales.contains(gauge), "{scaler}");
    }
}
