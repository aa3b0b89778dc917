//! What the guides say was done: their receivers were called, their commands were run, their quotations are true.

mod backup;
mod diagrams;
mod getting_started;
mod promises;
mod quotations;
mod receivers;
mod script;
mod vectors;
