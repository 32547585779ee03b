//! What every HTTP route of SightScan shares.
//!
//! [`server`] accepts connections and ends them so that no answer is lost; [`exchange`] gives each request an
//! id, one log line and a safety net; [`tls`] encrypts; [`problem`] is the form of every error; [`body`] reads bodies under
//! limits, [`asked`] the rest of a request. [`client`] tells whose request it is, [`limit`] how often one client may ask, [`admin`] what only the
//! administrator may, and [`hosts`] under which names. [`page`], [`events`], [`download`] and [`health`] are
//! the forms of answers: lists, events as they happen, files, and how the process is; [`openapi`] documents them. Stages write their handlers with
//! the [`axum`] that is re-exported here.
#![forbid(unsafe_code)]

pub mod admin;
pub mod asked;
pub mod body;
pub mod client;
pub mod download;
pub mod draining;
pub mod events;
pub mod exchange;
pub mod health;
pub mod hosts;
mod impatient;
pub mod limit;
mod linger;
pub mod openapi;
pub mod page;
pub mod problem;
pub mod request_id;
pub mod server;
pub mod tls;

pub use admin::{Admin, AdminGate, AdminToken};
pub use asked::{Asked, Named, Posted, SmallBodies, Why};
pub use axum;
pub use body::{Budget, Hold, Received};
pub use client::{ClientAddress, TrustedProxies};
pub use download::Download;
pub use draining::Draining;
pub use events::{LastEventId, event_stream};
pub use exchange::{Exchange, Observer, Outcome, Surroundings, panic_message, surround};
pub use hosts::AllowedHosts;
pub use limit::{Quota, RateLimit};
pub use page::{Page, PageQuery, Place};
pub use problem::{Problem, Slug};
pub use request_id::RequestId;
pub use server::{ServerOptions, Stopped, serve};
pub use tls::{Tls, TlsError};
