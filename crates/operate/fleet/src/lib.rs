//! Pools of workers that come and go with the work.
//!
//! A [`Pool`] is what waits (a [`Backlog`]), who starts and ends its workers (a [`Driver`]), how many there may be, and a [`Policy`] that says how
//! many are wanted. A [`Controller`] looks at each pool every few seconds. Nothing is lost by whatever it does: workers end by
//! themselves when the queue stays empty, a worker that is asked to end finishes what it has, and the messages of one that dies
//! come back.
#![forbid(unsafe_code)]

mod backlog;
mod config;
mod controller;
mod driver;
#[cfg(feature = "cloud")]
mod ec2;
mod error;
#[cfg(feature = "cloud")]
pub mod kubernetes;
mod policy;
mod pool;
mod process;
mod report;

pub use backlog::Backlog;
pub use config::{DriverKind, Ec2Config, KubernetesConfig, PoolConfig, RuleName};
pub use controller::{Controller, Leader};
pub use driver::{Driver, Member, State};
#[cfg(feature = "cloud")]
pub use ec2::{Ec2Driver, Ec2InstanceDriver, Fault};
pub use error::{Error, Result};
#[cfg(feature = "cloud")]
pub use kubernetes::KubernetesDriver;
pub use policy::{History, Policy, Rule, Sample};
pub use pool::{Pool, PoolStatus};
pub use process::{Limits, ProcessDriver, Program};
pub use report::{Activity, Report, Reporter};
