//! Pools of workers that come and go with the work.
//!
//! A [`Pool`] is a queue, who starts and ends its workers (a [`Driver`]), how many there may be, and a [`Policy`] that says how
//! many are wanted. A [`Controller`] looks at each pool every few seconds. Nothing is lost by whatever it does: workers end by
//! themselves when the queue stays empty, a worker that is asked to end finishes what it has, and the messages of one that dies
//! come back.
#![forbid(unsafe_code)]

mod config;
mod controller;
mod driver;
mod error;
mod policy;
mod pool;
mod process;
mod report;

pub use config::{DriverKind, PoolConfig, RuleName};
pub use controller::{Controller, Leader};
pub use driver::{Driver, Member, State};
pub use error::{Error, Result};
pub use policy::{History, Policy, Rule, Sample};
pub use pool::{Pool, PoolStatus};
pub use process::{Limits, ProcessDriver, Program};
pub use report::{Report, Reporter};
