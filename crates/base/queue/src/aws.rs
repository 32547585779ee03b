//! Who we are for Amazon's services, and where these are: the same for queues and machines.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::config::Credentials;

pub use aws_config::SdkConfig;

/// What these variables say of a service, such as `EC2`; what they do not say comes from Amazon's usual places, such as files and
/// roles. `variable` looks up the variables that Amazon's clients read, and `AWS_ACCESS_KEY`, as the original system called the
/// secret key.
pub async fn access(service: &str, variable: impl Fn(&str) -> Option<String>) -> SdkConfig {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")) {
        loader = loader.region(Region::new(region));
    }
    if let Some(url) = set(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| set("AWS_ENDPOINT_URL")) {
        loader = loader.endpoint_url(url);
    }
    // The original system's name for the secret key is the second one.
    let secret = set("AWS_SECRET_ACCESS_KEY").or_else(|| set("AWS_ACCESS_KEY"));
    if let (Some(id), Some(secret)) = (set("AWS_ACCESS_KEY_ID"), secret) {
        let keys = Credentials::new(id, secret, set("AWS_SESSION_TOKEN"), None, "variables");
        loader = loader.credentials_provider(keys);
    }
    Box::pin(loader.load()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(service: &str, variables: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let access = access(service, lookup).await;
        (access.region().map(ToString::to_string), access.endpoint_url().map(str::to_owned))
    }

    #[tokio::test]
    async fn a_service_may_have_an_address_of_its_own() {
        let variables = [
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", "http://a"),
            ("AWS_ENDPOINT_URL_EC2", "http://b"),
        ];
        let region = Some("eu-central-1".to_owned());
        assert_eq!(of("EC2", &variables).await, (region.clone(), Some("http://b".into())));
        assert_eq!(of("SQS", &variables).await, (region, Some("http://a".into())));
    }
}
