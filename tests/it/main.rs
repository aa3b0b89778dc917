//! The promises, one file or folder each. They need the servers that `make test` starts.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic is the report")]

mod architecture;
