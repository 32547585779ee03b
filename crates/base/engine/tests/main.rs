//! The engine on real networks.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what fails here fails the test, and what is skipped is said"
)]

mod darknet;
mod families;
mod folder;
mod golden;
mod install;
mod parity;
mod pull;
mod tiny;
