//! Migrations are built in: one that is added makes this crate be built anew.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
