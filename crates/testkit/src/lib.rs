//! For tests: the real data, tiny networks, running servers.
#![forbid(unsafe_code)]

mod data;
pub mod database;
pub mod tiny;

pub use data::{data, pictures, scale};
