//! What every HTTP route of SightScan shares.
//!
//! [`server`] accepts connections and ends them so that no answer is lost; [`exchange`] gives each request an
//! id, one log line and a safety net; [`problem`] is the form of every error; [`body`] reads bodies under
//! limits. Stages write their handlers with the [`axum`] that is re-exported here.
#![forbid(unsafe_code)]

pub mod body;
pub mod exchange;
mod impatient;
mod linger;
pub mod problem;
pub mod request_id;
pub mod server;

pub use axum;
pub use body::{Budget, Hold, Received};
pub use exchange::{Exchange, Observer, Outcome, panic_message, surround};
pub use problem::{Problem, Slug};
pub use request_id::RequestId;
pub use server::{ServerOptions, Stopped, serve};
