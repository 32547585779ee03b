//! The experiment: how a service answers with so many workers and so many clients.
//!
//! A [`Plan`] names a matrix of workers × client threads × repeats and what is scaled. [`run`] measures its cells one after the
//! other and keeps every request of each as a file of a [`Folder`], so that it can be interrupted at any time and goes on where
//! it was. [`Results`] are computed from these files alone: the plot, the table, the [`Law`] of scalability and the report.

mod advice;
mod bundle;
mod cell;
mod command;
mod environment;
mod error;
mod flags;
mod folder;
mod law;
mod observations;
mod page;
mod plan;
mod plot;
mod print;
mod queueing;
mod results;
mod runner;
mod target;

pub use advice::{Advice, Question};
pub use cell::{Cell, Measured};
pub use command::{Told, execute};
pub use environment::Environment;
pub use error::Error;
pub use flags::{Command, Flags};
pub use folder::Folder;
pub use law::Law;
pub use page::{Author, Report};
pub use plan::{Matrix, Method, Plan, TargetPlan};
pub use plot::{performance, response_times};
pub use print::{pdf, png};
pub use queueing::Queue;
pub use results::{Point, Results, Spread};
pub use runner::{Event, run};
#[cfg(feature = "cloud")]
pub use target::Pods;
pub use target::{Processes, Target};

type Result<T> = std::result::Result<T, Error>;
