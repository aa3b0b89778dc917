//! Activities: requirements AC-1 to AC-6.

mod create;
mod timelines;
