//! What keeps the code in the shape that its documents describe. Plain file reading: no database, no compiler.

mod documents;
mod imports;
mod shape;
pub mod source;
mod steps;

pub use documents::{documents, variables};
pub use source::{Source, file, files};
