//! The guides tell the truth: their examples are run, what they name exists, what exists is named.

mod errors;
mod facts;
mod layout;
mod limits;
mod names;
mod page;
mod plain;
mod reference;
mod shell;
