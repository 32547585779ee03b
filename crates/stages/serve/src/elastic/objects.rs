//! What lasts of a request: the picture, its label, its result.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sightscan_blobs::{BlobError, Bucket};
use sightscan_http::Slug;
use sightscan_queue::{Outcome, OutputForm, Refusal, Reply, Request};
use sightscan_types::DetectionId;

use super::now;
use crate::dialect::upload::{label, stem};

/// Names in a bucket have no more bytes than this, so that every file system and service takes them, encoded as well.
const GREATEST_NAME: usize = 80;

/// The three buckets.
#[derive(Debug, Clone)]
pub struct Objects {
    /// Pictures, byte for byte as they were uploaded, under the names of their files.
    pub input: Bucket,
    /// Labels, under those names without the extension.
    pub output: Bucket,
    /// Results, under the ids of their requests.
    pub results: Bucket,
}

/// A request that is waited for at its address, because no worker had looked in time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) id: DetectionId,
    pub(crate) name: String,
    /// In milliseconds since 1970-01-01 UTC.
    pub(crate) accepted_at: i64,
}

impl Objects {
    /// Stores a picture under the name of its file, which must be [`shortened`]; where that is taken, with the request's id behind its stem.
    pub(crate) async fn put_input(
        &self,
        name: &str,
        id: DetectionId,
        picture: Bytes,
    ) -> Result<String, BlobError> {
        if self.input.put_new(name, picture.clone()).await? {
            return Ok(name.to_owned());
        }
        let unique = with_id(name, id);
        self.input.put_new(&unique, picture).await?;
        Ok(unique)
    }

    /// Stores how a request ended, unless it has ended before; gives how it ended, and whether that was now.
    pub(crate) async fn finish(&self, reply: Reply) -> Result<(Reply, bool), ObjectError> {
        let name = reply.id.to_string();
        if self.results.put_new(&name, serde_json::to_vec(&reply)?.into()).await? {
            return Ok((reply, true));
        }
        let earlier = self.result(reply.id).await?;
        Ok((earlier.unwrap_or(reply), false))
    }

    /// How a request ended; none where it has not.
    pub(crate) async fn result(&self, id: DetectionId) -> Result<Option<Reply>, ObjectError> {
        let found = self.results.get(&id.to_string()).await?;
        Ok(found.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }

    /// Stores the label of a picture that was looked at. Two pictures may differ in nothing but their extension: then the later
    /// one has the request's id behind its name.
    pub(crate) async fn put_output(
        &self,
        request: &Request,
        reply: &Reply,
        is_first: bool,
    ) -> Result<(), BlobError> {
        let Outcome::Done { report, .. } = &reply.outcome else { return Ok(()) };
        let key = request.output.as_str();
        let value = Bytes::from(written(request.form, key, label(&report.findings)));
        if self.output.put_new(key, value.clone()).await? {
            return Ok(());
        }
        // An earlier try may have come as far as this.
        let is_there = !is_first && self.output.get(key).await?.is_some_and(|there| there == value);
        if !is_there {
            self.output.put_new(&with_id(key, request.id), value).await?;
        }
        Ok(())
    }

    /// How each request has ended that has: `done`, `failed`, `dead`; `unsent` where the queue did not answer when it was sent, so that
    /// nobody knows whether it has been there; `unreadable` where somebody has damaged its result.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn states(&self) -> Result<Vec<&'static str>, BlobError> {
        let mut states = Vec::new();
        for key in self.results.keys().await? {
            // The others tell that a request is waited for.
            let Ok(id) = key.parse::<DetectionId>() else { continue };
            match self.result(id).await {
                Ok(reply) => states.extend(reply.map(|reply| state(&reply.outcome))),
                Err(ObjectError::Blob(error)) => return Err(error),
                Err(ObjectError::Json(_)) => states.push("unreadable"),
            }
        }
        Ok(states)
    }

    /// Notes that somebody was told the address of a request.
    pub(crate) async fn note_pending(&self, pending: &Pending) -> Result<(), ObjectError> {
        let written = serde_json::to_vec(pending)?;
        Ok(self.results.put(&pending_name(pending.id), written.into()).await?)
    }

    pub(crate) async fn pending(&self, id: DetectionId) -> Result<Option<Pending>, ObjectError> {
        let found = self.results.get(&pending_name(id)).await?;
        Ok(found.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }
}

/// An object could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The bucket does not answer.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Somebody has damaged it.
    #[error("an object is not what was put there: {0}")]
    Json(#[from] serde_json::Error),
}

/// The key of the label, for the key of the picture.
pub(crate) fn output_key(input: &str) -> String {
    stem(input).to_owned()
}

/// The end of a request that could not be sent.
pub(crate) fn unsent(request: &Request) -> Reply {
    let detail = "the queue did not answer when the picture was sent; send it again".to_owned();
    Reply {
        id: request.id,
        name: request.name.clone(),
        worker: String::new(),
        queued_ms: 0.0,
        finished_at: now(),
        outcome: Outcome::Failed(Refusal { slug: Slug::Unavailable.name().to_owned(), detail }),
    }
}

/// How a request has ended, for whoever counts.
fn state(outcome: &Outcome) -> &'static str {
    match outcome {
        // As `unsent` says. Workers refuse nothing so: what they cannot do now is tried again.
        Outcome::Failed(refusal) if refusal.slug == Slug::Unavailable.name() => "unsent",
        outcome => outcome.state(),
    }
}

fn pending_name(id: DetectionId) -> String {
    format!("{id}.accepted")
}

fn written(form: OutputForm, key: &str, label: &str) -> String {
    match form {
        OutputForm::Pair => format!("({key}, {label})"),
        OutputForm::Label => label.to_owned(),
    }
}

fn with_id(name: &str, id: DetectionId) -> String {
    let stem = stem(name);
    format!("{stem}-{id}{}", &name[stem.len()..])
}

/// A name that is short enough: the stem is cut, the extension stays where it is one.
pub(crate) fn shortened(name: &str) -> String {
    if name.len() <= GREATEST_NAME {
        return name.to_owned();
    }
    let extension =
        Some(&name[stem(name).len()..]).filter(|extension| extension.len() <= 10).unwrap_or_default();
    let mut end = GREATEST_NAME - extension.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sightscan_blobs::Address;

    fn objects(folder: &std::path::Path) -> Objects {
        let bucket = |name: &str| Bucket::open(&Address::Folder(folder.join(name)), |_| None).unwrap();
        Objects { input: bucket("in"), output: bucket("out"), results: bucket("results") }
    }

    #[tokio::test]
    async fn i08_pictures_lie_under_the_names_of_their_files_and_never_over_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let objects = objects(folder.path());
        let id = DetectionId::new();
        let first = objects.put_input("test_0.JPEG", DetectionId::new(), Bytes::from("one")).await.unwrap();
        let second = objects.put_input("test_0.JPEG", id, Bytes::from("two")).await.unwrap();
        assert_eq!((first.as_str(), second), ("test_0.JPEG", format!("test_0-{id}.JPEG")));
        assert_eq!(objects.input.get("test_0.JPEG").await.unwrap().unwrap(), "one");
        assert_eq!(
            (output_key(&first), output_key("no extension")),
            ("test_0".into(), "no extension".into())
        );
    }

    #[test]
    fn what_is_stored_is_what_each_years_course_asks_for() {
        assert_eq!(written(OutputForm::Pair, "test_0", "bathtub"), "(test_0, bathtub)");
        assert_eq!(written(OutputForm::Label, "test_0", "Paul"), "Paul");
    }

    #[test]
    fn a_long_path_is_shortened_as_any_name() {
        let short = shortened(&format!("\u{10000}{}/b.jpg", "a".repeat(GREATEST_NAME)));
        assert!(short.starts_with('\u{10000}') && short.ends_with(".jpg"), "{short}");
    }

    proptest! {
        #[test]
        fn any_name_becomes_short_and_keeps_its_extension(name in ".{1,200}", extension in "[a-z]{1,5}") {
            let name = format!("{name}.{extension}");
            let short = shortened(&name);
            prop_assert!(short.len() <= GREATEST_NAME);
            let end = format!(".{extension}");
            prop_assert!(short.ends_with(&end));
        }
    }
}
