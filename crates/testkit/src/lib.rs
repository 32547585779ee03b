//! For tests: the real data, tiny networks, running servers.
#![forbid(unsafe_code)]

mod data;
#[cfg(feature = "databases")]
pub mod database;
#[cfg(feature = "databases")]
pub mod images;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
#[cfg(feature = "services")]
pub mod proxy;
#[cfg(feature = "services")]
pub mod services;
pub mod tiny;
#[cfg(feature = "upstreams")]
pub mod upstreams;

pub use data::{data, pictures, python, reference, scale};
