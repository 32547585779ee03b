//! Landmark detection by Google Vision, over its REST interface.
//!
//! Up to [`MOST_PICTURES`] pictures go in one request. Vision bills each picture that it looks at, so a request is only
//! repeated where it is certain that nobody looked: it was refused (429, 503, a redirect) or never arrived. An answer
//! that was lost on its way is told as [`Answer::Failed`] with `was_billed`.
//!
//! Sources: the reference of `images.annotate` and the pages "Quotas and limits" and "Supported images" of Cloud
//! Vision; for service accounts "Using OAuth 2.0 for server to server applications" of Google Identity; for errors
//! AIP-193 and `google.rpc.Code`; `Retry-After` is RFC 9110, section 10.2.3.

mod account;
mod batch;
mod client;
mod config;
mod credentials;
mod polygon;
mod refusal;
mod retry;
mod secret;
mod sent;
mod token;
mod wire;

use std::collections::VecDeque;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sightscan_types::{Producer, ProducerKind};

use crate::{Answer, Labeller, Picture};
use batch::Batch;
use client::Client;
use refusal::Refusal;

pub use config::VisionConfig;
pub use credentials::{Credentials, CredentialsError};

/// The most pictures that Vision takes in one request.
pub const MOST_PICTURES: usize = 16;

/// Google Vision could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisionError {
    /// An address in the settings is none.
    #[error(
        "`{url}` cannot be the address of {service} ({reason}): write it like https://vision.googleapis.com"
    )]
    Url {
        /// Whose address it should be.
        service: &'static str,
        /// What was set.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key has characters that a header cannot carry.
    #[error("the API key has characters that no key has: copy it again from the Google Cloud console")]
    Key,
    /// The HTTP client could not be made.
    #[error("cannot set up the HTTP client for Google Vision: {0}; check the machine's TLS certificates")]
    Client(#[source] reqwest::Error),
}

/// Labels pictures by Google Vision.
#[derive(Debug)]
pub struct Vision {
    client: Client,
    config: VisionConfig,
}

impl Vision {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When an address or the key cannot be used.
    pub fn new(config: VisionConfig, credentials: Credentials) -> Result<Self, VisionError> {
        Ok(Self { client: Client::new(&config, credentials)?, config })
    }

    async fn label_all(&self, pictures: Vec<Picture>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(pictures.len());
        let mut pictures = pictures.into_iter();
        loop {
            let some: Vec<Picture> = pictures.by_ref().take(MOST_PICTURES).collect();
            if some.is_empty() {
                return answers;
            }
            let stop = answers.iter().find_map(exhausted);
            answers.extend(match stop {
                Some(unasked) => vec![unasked; some.len()],
                None => self.label_some(some).await,
            });
        }
    }

    /// Labels as many pictures as one request may hold; large ones may need several.
    async fn label_some(&self, pictures: Vec<Picture>) -> Vec<Answer> {
        let (mut answers, sent) = match sent::prepared(pictures, &self.config).await {
            Ok(prepared) => prepared,
            Err(answers) => return answers,
        };
        let mut batches: VecDeque<Batch> = batch::packed(sent).into();
        while let Some(batch) = batches.pop_front() {
            if let Some(unasked) = answers.iter().find_map(exhausted) {
                batch.answer_all(&mut answers, &unasked);
                continue;
            }
            match self.client.annotate(&batch.body(self.config.most_results)).await {
                Ok(responses) => batch.read(responses, &mut answers),
                Err(Refusal::Malformed(_)) if batch.pictures.len() > 1 => {
                    batch.halves().into_iter().rev().for_each(|half| batches.push_front(half));
                }
                Err(refusal) => batch.answer_all(&mut answers, &refusal.into_answer()),
            }
        }
        answers
    }
}

impl Labeller for Vision {
    fn producer(&self) -> Producer {
        Producer { kind: ProducerKind::Vision, name: "google-vision".to_owned() }
    }

    fn most_at_once(&self) -> usize {
        MOST_PICTURES
    }

    fn label(&self, pictures: Vec<Picture>) -> BoxFuture<'_, Vec<Answer>> {
        self.label_all(pictures).boxed()
    }
}

/// The answer for pictures that are not even sent after this one.
fn exhausted(answer: &Answer) -> Option<Answer> {
    let Answer::Exhausted { reason, .. } = answer else { return None };
    Some(Answer::Exhausted { reason: reason.clone(), was_billed: false })
}
