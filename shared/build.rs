//! Migrations are built in: one that is added makes this crate be built anew.

#[expect(clippy::print_stdout, reason = "how a build script tells cargo")]
fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
