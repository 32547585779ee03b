//! Jobs: work that takes minutes. What a job and its handler are, and the [`Runner`] that runs them.
//!
//! A job waits in the warehouse until a worker that knows its name claims it. The worker holds a lease and makes it
//! longer for as long as it lives; when it vanishes, the lease ends and another worker takes over. A handler may
//! therefore run twice, but its *effect* is there once: what it writes into [`Run::completion`] is committed together
//! with the end of the job, and only for the worker that holds the newest lease.
//!
//! Detection requests are not jobs: they take milliseconds and have queues of their own.
#![forbid(unsafe_code)]

mod backoff;
mod handler;
mod job;
mod metrics;
mod observer;
mod run;
mod runner;
mod stages;

pub use backoff::Backoff;
pub use handler::{Handle, JobError, Registry};
pub use job::{Error, Job, Wish, enqueue};
pub use metrics::Metrics;
pub use observer::{Event, Observer, StageJob};
pub use run::{Completed, Completion, Run};
pub use runner::{Runner, RunnerConfig, Summary, worker_name};
