//! What the guides say was done: their receivers were called, their commands were run, their quotations are true.

mod quotations;
mod receivers;
mod vectors;
