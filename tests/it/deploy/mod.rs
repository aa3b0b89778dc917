//! Deployment: what is under `deploy/` holds together and does what its guide says.

mod daemon;
mod files;
mod load;
mod notify;
mod pooler;
mod roles;
mod rolling;
