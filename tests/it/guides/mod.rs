//! The guides tell the truth: their examples and commands are run, their receivers are called, their quotations are
//! those of the files, what they name exists, and what exists is named.

mod backup;
mod dev;
mod diagrams;
mod errors;
mod facts;
mod getting_started;
mod layout;
mod limits;
mod names;
pub mod page;
mod plain;
mod product;
mod promises;
mod quotations;
mod receivers;
mod reference;
mod requirements;
pub mod shell;
mod vectors;
