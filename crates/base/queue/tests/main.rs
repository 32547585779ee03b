//! The contract of queues, on real servers of the services.
#![cfg(feature = "cloud")]

mod nats;
mod sqs;
