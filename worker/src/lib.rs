//! stub

pub mod client;
