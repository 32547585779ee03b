//! What can go wrong with cities, and how a client is told.

use std::time::Duration;

use sightscan_blobs::BlobError;
use sightscan_http::{Problem, Slug};
use sightscan_pictures::DecodeError;
use sightscan_types::{CityState, JobId, JobState};

/// Shorthand for what the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How often a transaction is tried that met another one.
const ATTEMPTS: u32 = 4;
/// How long to wait before it is tried again; longer each time.
const PAUSE: Duration = Duration::from_millis(20);

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Warehouse(#[from] sightscan_warehouse::Error),
    /// The blobs.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Nobody has asked for this city yet.
    #[error("there is no city `{0}`; GET /v1/cities lists those there are, and POST /v1/cities asks for one")]
    UnknownCity(String),
    /// There is no such image, or it is not for everybody.
    #[error("there is no image `{0}`; GET /v1/cities/{{slug}}/images lists those of a city")]
    UnknownImage(String),
    /// The city has no such model.
    #[error("there is no model {0}; GET /v1/cities/{{slug}}/models lists those of a city")]
    UnknownModel(String),
    /// There is no such job.
    #[error("there is no job `{0}`; GET /v1/jobs lists those there are")]
    UnknownJob(String),
    /// The deletion link is none, or was used.
    #[error("this link deletes nothing: it is not complete, or what it stands for is deleted already")]
    UnknownDonation,
    /// A decision means nothing in this state.
    #[error("`{city}` is {state}: there is nothing to {verb}")]
    NotNow {
        /// The city's name.
        city: String,
        /// Its state.
        state: CityState,
        /// What was decided.
        verb: &'static str,
    },
    /// A job is in a state in which that means nothing.
    #[error("the job {job} is {state}: there is nothing to {verb}")]
    JobNotNow {
        /// The job.
        job: JobId,
        /// Its state.
        state: JobState,
        /// What was wanted.
        verb: &'static str,
    },
    /// A job need not be repeated.
    #[error("the job {other} does the same as {job}; look at that one")]
    SameIsLive {
        /// The job that failed.
        job: JobId,
        /// The job that is live.
        other: JobId,
    },
    /// The upload is not a picture that is taken.
    #[error(transparent)]
    Picture(#[from] DecodeError),
    /// A picture that was taken in cannot be read any more.
    #[error("a stored picture cannot be read: {0}")]
    StoredPicture(DecodeError),
    /// A small copy of a picture could not be made.
    #[error("a thumbnail could not be made: {0}")]
    Thumbnail(#[from] sightscan_pictures::ThumbnailError),
    /// A task of the process was stopped.
    #[error("work was not finished: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
    /// A job could not be enqueued.
    #[error(transparent)]
    Job(sightscan_jobs::Error),
    /// Something could not be written as JSON.
    #[error("an answer cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// Whether the same may succeed when it is tried again.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Warehouse(error) if error.is_transient())
    }
}

impl From<sightscan_jobs::Error> for Error {
    fn from(error: sightscan_jobs::Error) -> Self {
        match error {
            // So that it is seen whether it is worth another try.
            sightscan_jobs::Error::Warehouse(error) => Self::Warehouse(error),
            other => Self::Job(other),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let slug = match &error {
            Error::UnknownCity(_) => Slug::UnknownCity,
            Error::UnknownImage(_) => Slug::UnknownImage,
            Error::UnknownModel(_) => Slug::UnknownModel,
            Error::UnknownJob(_) => Slug::UnknownJob,
            Error::UnknownDonation => Slug::UnknownDonation,
            Error::NotNow { .. } | Error::JobNotNow { .. } | Error::SameIsLive { .. } => Slug::NotNow,
            Error::Picture(error) => unfit(error),
            Error::Warehouse(error) if error.is_transient() => Slug::Unavailable,
            Error::Warehouse(sightscan_warehouse::Error::TooLong { .. }) => Slug::InvalidParameter,
            Error::Warehouse(_)
            | Error::Blob(_)
            | Error::StoredPicture(_)
            | Error::Thumbnail(_)
            | Error::Interrupted(_)
            | Error::Job(_)
            | Error::Json(_) => Slug::Internal,
        };
        Self::new(slug, error.to_string())
    }
}

fn unfit(error: &DecodeError) -> Slug {
    match error {
        DecodeError::Empty => Slug::Malformed,
        DecodeError::NotAPicture => Slug::NotAPicture,
        DecodeError::TooManyPixels { .. } => Slug::PictureTooLarge,
        _ => Slug::UndecodablePicture,
    }
}

/// Tries a transaction again where it met another one.
///
/// # Errors
/// The first error that would stay, or the last one.
pub(crate) async fn retried<T, F>(attempt: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for number in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.is_transient() => tokio::time::sleep(PAUSE * number).await,
            result => return result,
        }
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_senders_faults_are_told_and_ours_are_not() {
        let told = Problem::from(Error::UnknownCity("atlantis".to_owned()));
        assert_eq!(told.slug(), Slug::UnknownCity);
        assert!(told.detail().contains("atlantis"));
        let ours = sightscan_warehouse::Error::Unreadable { what: "slug", value: "secret".to_owned() };
        let ours = Problem::from(Error::from(ours));
        assert_eq!(ours.slug(), Slug::Internal);
        assert!(
            !ours.detail().contains("secret") && ours.cause().is_some_and(|cause| cause.contains("secret"))
        );
    }
}
