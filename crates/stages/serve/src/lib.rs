//! Detection over HTTP.
//!
//! One picture's way: [`admission`] gives it a place before its body is read, or refuses it; a dialect reads the
//! request; the [`pool`] queues it, drops it where its client has left, and has a worker thread do all of the
//! work with a model that was loaded once; the dialect words the answer. [`health`] proves all the time that
//! this works. There is no database here: models come from files, and [`Detection::follow`] serves whatever becomes live in
//! their folder without a request that fails.
#![forbid(unsafe_code)]

pub mod admission;
mod config;
mod detection;
mod dialect;
pub mod elastic;
mod error;
mod flags;
mod follow;
mod front;
pub mod health;
mod http;
mod metrics;
mod models;
mod openapi;
pub mod pool;
mod server;
pub mod tls;
mod upstream;
mod wanted;

pub use config::Config;
pub use detection::Detection;
pub use elastic::{Objects, Post, QueueWorker};
pub use error::{PutError, StartError};
pub use flags::Flags;
pub use follow::Choice;
pub use front::Front;
pub use models::{Drawing, Served};
pub use pool::{Analyse, Answer, Factory, Work, WorkError};
pub use server::{Handle, run, start, start_front, start_with};
