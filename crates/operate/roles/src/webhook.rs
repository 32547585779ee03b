//! Telling another server what became of a picture whose client did not wait: a job for any worker of the queue `upkeep`.
//!
//! Messages are signed as Standard Webhooks has it, <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>:
//! `webhook-signature` is `v1,` and the base64 of the HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, Mac as _};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url, redirect};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sightscan_jobs::{Completed, Handle, Job, JobError, Registry, Run, Wish, enqueue};
use sightscan_serve::Objects;
use sightscan_serve::elastic::{Config, NotNoted, Notifier, ObjectError};
use sightscan_types::DetectionId;
use sightscan_warehouse::{Database, Warehouse};

use crate::elastic::objects;
use crate::error::Result;
use crate::setup::Setup;
use crate::storage::variable;

/// The variable of the secret.
const SECRET: &str = "SIGHTSCAN_WEBHOOK_SECRET";
/// What a secret begins with; base64 follows.
const PREFIX: &str = "whsec_";
/// The bytes that a secret may have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The receiver has so long to answer.
const LIMIT: Duration = Duration::from_secs(15);

/// Why messages cannot be sent to a webhook.
#[derive(Debug, thiserror::Error)]
pub enum BadWebhook {
    /// The address.
    #[error(
        "`webhook` of the section [elastic] is `{0}`, but it must be an address with https:// or http://"
    )]
    Url(String),
    /// The key of the signatures.
    #[error(
        "messages to the webhook are signed: set {SECRET} to {PREFIX} and the base64 of 24 to 64 random bytes, such as \
         {PREFIX}$(openssl rand -base64 32)"
    )]
    Secret,
    /// The network.
    #[error("a client for the webhook cannot be made: {0}")]
    Client(reqwest::Error),
}

/// Tell what became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Notify {
    id: DetectionId,
}

impl Job for Notify {
    const NAME: &'static str = "notify";
    const QUEUE: &'static str = "upkeep";
    /// With the waits of jobs between them, each half as long as it may be: 80 minutes.
    const MAX_ATTEMPTS: u32 = 25;

    fn deduplication_key(&self) -> Option<String> {
        Some(self.id.to_string())
    }
}

/// Who notes that there is something to tell, where a webhook is configured.
pub(crate) fn notifier(config: &Config, warehouse: &Warehouse) -> Result<Option<Arc<dyn Notifier>>> {
    // Whatever is wrong is told before the first picture.
    let target = Target::find(config, variable)?;
    Ok(target.map(|_| Arc::new(Noting(warehouse.database.clone())) as Arc<dyn Notifier>))
}

/// Adds who tells, where a webhook is configured and such jobs are done: others need not know its secret.
pub(crate) fn register(registry: Registry, setup: &Setup, queues: &[String]) -> Result<Registry> {
    if !queues.iter().any(|queue| queue == Notify::QUEUE) {
        return Ok(registry);
    }
    let Some(target) = Target::find(&setup.config.elastic, variable)? else { return Ok(registry) };
    Ok(registry.register(Telling { target, objects: objects(setup)? }))
}

#[derive(Debug)]
struct Noting(Database);

#[async_trait]
impl Notifier for Noting {
    async fn ended(&self, id: DetectionId) -> Result<(), NotNoted> {
        let noted = async {
            let mut transaction = self.0.begin().await?;
            enqueue(&mut transaction, &Notify { id }, Wish::default(), self.0.now()).await?;
            Ok::<_, sightscan_jobs::Error>(transaction.commit().await?)
        };
        noted.await.map_err(|error| NotNoted(error.to_string()))
    }
}

/// Tells the server of the webhook.
struct Telling {
    target: Target,
    objects: Objects,
}

impl Handle<Notify> for Telling {
    async fn run(&self, job: Notify, run: &Run) -> Result<Completed, JobError> {
        let ended = self.objects.ended(job.id).await.map_err(|failure| match failure {
            ObjectError::Blob(error) => JobError::Retry(error.to_string()),
            failure => JobError::Fatal(failure.to_string()),
        })?;
        let body = ended.ok_or_else(|| JobError::Fatal("its result is not in the bucket any more".into()))?;
        self.target.send(&job.id.to_string(), run.database().now() / 1000, body).await?;
        run.done().await
    }
}

/// Where messages go, and what signs them.
struct Target {
    url: Url,
    key: Key,
    http: Client,
}

impl Target {
    fn find(config: &Config, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, BadWebhook> {
        let Some(address) = &config.webhook else { return Ok(None) };
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| BadWebhook::Url(address.clone()))?;
        let key = variable(SECRET).and_then(|secret| Key::parse(&secret)).ok_or(BadWebhook::Secret)?;
        let http = Client::builder()
            .timeout(LIMIT)
            // What is signed goes to nobody but the one who was named.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("sightscan/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(BadWebhook::Client)?;
        Ok(Some(Self { url, key, http }))
    }

    /// Sends a message. `timestamp` is in seconds since 1970-01-01 UTC.
    async fn send(&self, id: &str, timestamp: i64, body: String) -> Result<(), JobError> {
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", self.key.signature(id, timestamp, &body))
            .body(body);
        let host = self.url.host_str().unwrap_or_default();
        let retry = |why: String| JobError::Retry(format!("the webhook at {host} {why}"));
        let status = request.send().await.map_err(|error| retry(told(&error.without_url())))?.status();
        match status {
            status if status.is_success() => Ok(()),
            // By the specification, the receiver wants nothing more.
            StatusCode::GONE => Err(JobError::Fatal(format!("the webhook at {host} answers {status}"))),
            status => Err(retry(format!("answers {status}"))),
        }
    }
}

/// An error of the network with its causes.
fn told(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(format!("does not answer: {error}"), |told, cause| format!("{told}: {cause}"))
}

/// The key of the signatures.
struct Key(Hmac<Sha256>);

impl Key {
    fn parse(secret: &str) -> Option<Self> {
        let base64 = secret.trim().strip_prefix(PREFIX)?;
        let bytes = base64_simd::STANDARD.decode_to_vec(base64).ok()?;
        let bytes = Some(bytes).filter(|bytes| SECRET_BYTES.contains(&bytes.len()))?;
        Hmac::new_from_slice(&bytes).ok().map(Self)
    }

    fn signature(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut code = self.0.clone();
        code.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", base64_simd::STANDARD.encode_to_string(code.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A published example: <https://docs.svix.com/receiving/verifying-payloads/how-manual>.
    const EXAMPLE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn found(address: &str, secret: Option<&str>) -> Result<Option<Target>, BadWebhook> {
        let config = Config { webhook: Some(address.into()), ..Config::default() };
        Target::find(&config, |name| secret.filter(|_| name == SECRET).map(str::to_owned))
    }

    #[test]
    fn messages_are_signed_as_others_sign_them() {
        let signed = Key::parse(EXAMPLE).unwrap().signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn nothing_is_sent_unsigned_or_to_no_server() {
        assert!(Target::find(&Config::default(), |_| None).unwrap().is_none());
        let found_with = |secret| found("https://example.org/hook", secret);
        assert!(found_with(Some(EXAMPLE)).unwrap().is_some());
        for secret in [None, Some(""), Some("whsec_c2hvcnQ="), Some(&EXAMPLE[6..])] {
            assert!(matches!(found_with(secret), Err(BadWebhook::Secret)), "{secret:?}");
        }
        for address in ["", "example.org/hook", "file:///etc/passwd"] {
            assert!(matches!(found(address, Some(EXAMPLE)), Err(BadWebhook::Url(_))), "{address}");
        }
    }
}
