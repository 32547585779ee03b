//! A small client of EC2's Query API
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>): six calls, signed by version 4.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;
use sightscan_queue::aws::{self, SdkConfig};

use crate::ec2::answer::{Cause, Instance, Page, Refusal};
use crate::ec2::call::Call;
use crate::ec2::fault::Fault;

/// How long a connection may take to come about, and a call with it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often a call is made that may be answered a moment later, and the pause before the second.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);
/// Credentials are renewed so long before they end.
const SLACK: Duration = Duration::from_mins(5);
/// Machines on a page.
const PAGE: &str = "1000";
/// What forms are.
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// A client of EC2 in one region.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    access: SdkConfig,
    keys: Mutex<Option<Credentials>>,
}

impl Client {
    /// A client by these variables, and by what Amazon's usual places say. Nothing is asked yet.
    pub(super) async fn open(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let access = aws::access("EC2", variable).await;
        // A redirect would carry the signature to somewhere else.
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("SightScan/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Fault::unreachable("at all", &error))?;
        Ok(Self { http, access, keys: Mutex::default() })
    }

    /// Machines that the call describes, of all pages.
    pub(super) async fn describe(&self, call: &Call) -> Result<Vec<Instance>, Fault> {
        let (mut instances, mut token) = (Vec::new(), None::<String>);
        loop {
            let page: Page = self.ask(&call.clone().with_some("NextToken", token.as_deref())).await?;
            token = page.next();
            instances.extend(page.into_instances());
            if token.is_none() {
                return Ok(instances);
            }
        }
    }

    /// Machines that have this tag, in one of these states.
    pub(super) async fn tagged(
        &self,
        key: &str,
        value: &str,
        states: &[&str],
    ) -> Result<Vec<Instance>, Fault> {
        let call = Call::new("DescribeInstances").with("MaxResults", PAGE);
        let call = call.filter(1, &format!("tag:{key}"), &[value]);
        self.describe(&call.filter(2, "instance-state-name", states)).await
    }

    /// Does something with machines, such as `StopInstances`.
    pub(super) async fn act(&self, action: &'static str, ids: &[String]) -> Result<(), Fault> {
        let call = Call::new(action).list("InstanceId", ids.iter().map(String::as_str));
        self.answer(&call).await.map(drop)
    }

    /// Writes a tag of a machine.
    pub(super) async fn tag(&self, id: &str, key: &str, value: &str) -> Result<(), Fault> {
        let call = Call::new("CreateTags").list("ResourceId", [id]).tags("Tag", &[(key, value)]);
        self.answer(&call).await.map(drop)
    }

    /// Makes a call and reads what is answered.
    pub(super) async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Fault> {
        let text = self.answer(call).await?;
        let read = quick_xml::de::from_str(&text);
        read.map_err(|error| Fault::Unreadable { action: call.action, why: error.to_string() })
    }

    /// Makes a call, again where it may be answered a moment later.
    async fn answer(&self, call: &Call) -> Result<String, Fault> {
        let body = call.body();
        let mut tried = 1;
        loop {
            match self.attempt(call.action, &body).await {
                Err(fault) if fault.is_passing() && tried < TRIES => tokio::time::sleep(pause(tried)).await,
                answered => return genuine(call.action, answered?),
            }
            tried += 1;
        }
    }

    async fn attempt(&self, action: &'static str, body: &str) -> Result<String, Fault> {
        let request = self.signed(body).await?;
        let answer = self.http.execute(request).await.map_err(|error| Fault::unreachable(action, &error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| Fault::unreachable(action, &error))?;
        if status.is_success() { Ok(text) } else { Err(refusal(action, status.as_u16(), &text)) }
    }

    async fn signed(&self, body: &str) -> Result<reqwest::Request, Fault> {
        let region = self.access.region().ok_or(Fault::NoRegion)?.as_ref();
        let url = self.access.endpoint_url().map_or_else(|| address(region), str::to_owned);
        let url = format!("{}/", url.trim_end_matches('/'));
        let identity = self.credentials().await?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("ec2")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| Fault::NoCredentials(error.to_string()))?;
        let headers = std::iter::once(("content-type", FORM));
        let signable = SignableRequest::new("POST", &*url, headers, SignableBody::Bytes(body.as_bytes()));
        let signed = signable.and_then(|request| sign(request, &parameters.into()));
        let signed = signed.map_err(|error| Fault::NoCredentials(error.to_string()))?;
        let request = self.http.post(&url).header("content-type", FORM).body(body.to_owned());
        let request =
            signed.output().headers().fold(request, |request, (name, value)| request.header(name, value));
        request.build().map_err(|error| Fault::unreachable("at all", &error))
    }

    /// Who we are; kept until shortly before it ends.
    async fn credentials(&self) -> Result<Credentials, Fault> {
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(is_fresh) {
            return Ok(known);
        }
        let provider = self.access.credentials_provider();
        let provider = provider.ok_or_else(|| Fault::NoCredentials("nowhere".to_owned()))?;
        let found = provider.provide_credentials().await;
        let found = found.map_err(|error| Fault::NoCredentials(error.to_string()))?;
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        Ok(found)
    }
}

fn is_fresh(keys: &Credentials) -> bool {
    keys.expiry().is_none_or(|end| end > SystemTime::now() + SLACK)
}

/// Where EC2 of a region is.
fn address(region: &str) -> String {
    let end = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://ec2.{region}.amazonaws.com{end}")
}

/// The pause before the next try: longer each time, and not everybody's the same.
fn pause(tried: u32) -> Duration {
    PAUSE * 2_u32.pow(tried - 1).min(8) + PAUSE.mul_f64(fastrand::f64())
}

/// An answer is named after what was asked: whatever is not comes from somebody else.
fn genuine(action: &'static str, text: String) -> Result<String, Fault> {
    if text.contains(&format!("<{action}Response")) {
        return Ok(text);
    }
    Err(Fault::Unreadable { action, why: text.chars().take(200).collect() })
}

/// An error as EC2 tells it; whoever stands before it may tell it in other words.
fn refusal(action: &'static str, status: u16, text: &str) -> Fault {
    let cause = match quick_xml::de::from_str::<Refusal>(text) {
        Ok(refusal) => refusal.errors.error,
        Err(_) => Cause { code: format!("HTTP {status}"), message: text.chars().take(200).collect() },
    };
    Fault::refused(action, status, cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_address() {
        assert_eq!(address("eu-central-1"), "https://ec2.eu-central-1.amazonaws.com");
        assert_eq!(address("cn-north-1"), "https://ec2.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn pauses_grow_and_differ() {
        assert!(pause(1) >= PAUSE && pause(3) >= PAUSE * 4 && pause(3) <= PAUSE * 5);
    }

    #[test]
    fn an_answer_that_is_not_of_ec2_is_shown() {
        let fault = refusal("RunInstances", 502, "<html>Bad Gateway</html>");
        assert!(fault.is_passing());
        assert!(fault.to_string().contains("Bad Gateway"), "{fault}");
        let fault = genuine("StopInstances", "<html>Welcome</html>".to_owned()).unwrap_err();
        assert!(fault.is_open() && fault.to_string().contains("Welcome"), "{fault}");
        let stopped = "<StopInstancesResponse xmlns=\"x\"/>".to_owned();
        assert_eq!(genuine("StopInstances", stopped.clone()).unwrap(), stopped);
    }
}
