//! How often a caller may do what (Task 2.2).

mod class;

pub use class::Class;
