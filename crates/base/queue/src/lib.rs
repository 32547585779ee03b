//! Detection requests on their way from a web tier to a worker, and answers on their way back.
//!
//! [`Broker`] is where messages wait: a table of the database, or a service of its own. A web tier puts a [`Request`] into the
//! queue of requests and hears of its end by a [`Reply`] in a queue of its own; a worker receives with a lease that it keeps
//! extending while it works. Messages arrive at least once and in no order that could be relied on, so that a request is told
//! apart by its id, and whoever receives must bear with a message twice.
//!
//! Jobs are another thing: minutes of work that always live in the database (`sightscan-jobs`).
#![forbid(unsafe_code)]

mod address;
#[cfg(feature = "cloud")]
pub mod aws;
#[cfg(feature = "contract")]
pub mod contract;
mod error;
#[cfg(feature = "cloud")]
mod expiry;
mod message;
#[cfg(feature = "cloud")]
mod nats;
mod queue;
#[cfg(feature = "cloud")]
mod sqs;

pub use address::{Address, AddressError};
pub use error::{Error, Result};
pub use message::{Base64, Notice, Outcome, OutputForm, Refusal, Reply, Request, Wanted};
#[cfg(feature = "cloud")]
pub use nats::NatsBroker;
pub use queue::{Broker, Delivery, Depth, Queue, Receipt};
#[cfg(feature = "cloud")]
pub use sqs::SqsBroker;
