//! Workers that are machines of Amazon EC2.
//!
//! What is known of a machine is kept by EC2 and not by a controller: to which pool it belongs is a tag, and so is until when the
//! prepared one may run.

mod answer;
mod call;
mod client;
mod fault;
mod machines;
mod prepared;
mod user_data;

pub use fault::Fault;
pub use machines::Ec2Driver;
pub use prepared::Ec2InstanceDriver;
