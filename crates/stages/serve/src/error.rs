//! What can go wrong, and how a client is told.

use sightscan_engine::{DecodeError, DetectError};
use sightscan_http::{Problem, Slug};

use crate::pool::{Failure, Refused, WorkError};

/// The server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nothing is there to serve.
    #[error("no model is given; name at least one with --model")]
    NoModel,
    /// Two models cannot be told apart.
    #[error("two models are named `{0}`; give one of them another `name` in its model.toml")]
    SameName(String),
    /// A model cannot be opened.
    #[error(transparent)]
    Model(#[from] sightscan_engine::ModelError),
    /// The operating system refused something.
    #[error("the server cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// The metrics could not be set up.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] sightscan_queue::Error),
    /// Another server cannot be followed.
    #[error(transparent)]
    Mirror(#[from] sightscan_engine::model::MirrorError),
    /// Nothing can be encrypted.
    #[error(transparent)]
    Tls(#[from] sightscan_http::TlsError),
    /// The name of this server cannot be sent in a header.
    #[error("the instance name `{0}` cannot be a header; set SIGHTSCAN_INSTANCE to visible ASCII")]
    Instance(String),
}

/// A model is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// Not every worker has it.
    #[error("the workers did not load it within {} seconds", .0.as_secs())]
    NotLoaded(std::time::Duration),
    /// A worker has tried.
    #[error("a worker cannot load it; the log says why")]
    Refused,
    /// It fails on a test picture.
    #[error("it does not answer a test picture: {0}")]
    NoAnswer(String),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Work(WorkError::Detect(DetectError::Decode(error))) => undecoded(&error),
            Failure::Work(error) => Problem::internal(error),
            Failure::Panicked(message) => Problem::internal(format!("the worker panicked: {message}")),
            Failure::NotBuilt(reason) => {
                Problem::new(Slug::Unavailable, format!("no model instance could be set up: {reason}"))
            }
            Failure::Late => Problem::new(Slug::Deadline, "the picture was still waiting for a worker"),
        }
    }
}

fn undecoded(error: &DecodeError) -> Problem {
    let slug = match error {
        DecodeError::Empty => Slug::Malformed,
        DecodeError::NotAPicture => Slug::NotAPicture,
        DecodeError::TooManyPixels { .. } => Slug::PictureTooLarge,
        _ => Slug::UndecodablePicture,
    };
    Problem::new(slug, error.to_string())
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Problem::new(Slug::Busy, "as many pictures wait as may; try again in a moment")
                .retry_after(std::time::Duration::from_secs(1)),
            Refused::Closed => Problem::new(Slug::Unavailable, "the pool is closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_senders_faults_are_told_and_ours_are_not() {
        let told = |error: DecodeError| Problem::from(Failure::Work(WorkError::Detect(error.into())));
        let large = told(DecodeError::TooManyPixels { width: 9, height: 9, max_pixels: 8 });
        assert_eq!(large.slug(), Slug::PictureTooLarge);
        assert!(large.detail().contains("9x9"));
        assert_eq!(told(DecodeError::NotAPicture).slug(), Slug::NotAPicture);
        assert_eq!(told(DecodeError::Empty).slug(), Slug::Malformed);
        let ours = Problem::from(Failure::Panicked("secret".into()));
        assert!(ours.slug().status().is_server_error() && !ours.detail().contains("secret"));
    }
}
