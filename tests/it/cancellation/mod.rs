//! Work that is abandoned half-way: nothing leaks, nothing is half-done.

mod found;
mod hang_up;
mod leak;
mod poll;
