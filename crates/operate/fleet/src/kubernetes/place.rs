//! Where a cluster is, and how this program shows who it is.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, Url};

use super::error::KubernetesError;
use crate::config::KubernetesConfig;

/// Where Kubernetes puts what a pod needs to ask the API, see
/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The namespace of those that do not name one.
const NAMESPACE: &str = "default";

/// Where a cluster is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) server: Url,
    pub(super) namespace: String,
    pub(super) token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

impl Place {
    /// What the settings say, else what Kubernetes tells this pod.
    pub(super) fn find(
        settings: &KubernetesConfig,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, KubernetesError> {
        settings.check().map_err(KubernetesError::Settings)?;
        let inside = settings.server.is_none();
        let address = match &settings.server {
            Some(server) => server.clone(),
            None => in_cluster(variable)?,
        };
        let account = |name: &str| inside.then(|| Path::new(ACCOUNT).join(name));
        let namespace = settings.namespace.clone().or_else(|| read(account("namespace")?));
        let place = Self {
            server: url(&address)?,
            namespace: namespace.unwrap_or_else(|| NAMESPACE.to_owned()),
            token_file: settings.token_file.clone().or_else(|| account("token")),
            ca_file: settings.ca_file.clone().or_else(|| account("ca.crt")),
        };
        place.keep_the_token_secret()?;
        Ok(place)
    }

    fn keep_the_token_secret(&self) -> Result<(), KubernetesError> {
        let is_here = self.server.host_str().is_some_and(|host| {
            let host = host.trim_matches(['[', ']']);
            host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        });
        if self.token_file.is_some() && self.server.scheme() == "http" && !is_here {
            return Err(odd(self.server.as_str(), "the token would travel in the open; use https"));
        }
        Ok(())
    }

    /// The certificates that the API's may be signed by; the system's where there are none.
    pub(super) fn authorities(&self) -> Result<Option<Vec<Certificate>>, KubernetesError> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let unfit = |why: String| KubernetesError::Credentials {
            what: "the certificate of the cluster's authority",
            setting: "ca_file",
            why,
        };
        let pem = fs_err::read(path).map_err(|error| unfit(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        match certificates.is_empty() {
            true => Err(unfit(format!("{} holds no certificate in PEM", path.display()))),
            false => Ok(Some(certificates)),
        }
    }

    /// The token of now: Kubernetes replaces it every hour.
    pub(super) fn token(&self) -> Result<Option<String>, KubernetesError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let unfit = |error: std::io::Error| KubernetesError::Credentials {
            what: "the token",
            setting: "token_file",
            why: error.to_string(),
        };
        Ok(Some(fs_err::read_to_string(path).map_err(unfit)?.trim().to_owned()))
    }
}

fn in_cluster(variable: impl Fn(&str) -> Option<String>) -> Result<String, KubernetesError> {
    let said = |name: &str| variable(name).filter(|value| !value.is_empty());
    let host = said("KUBERNETES_SERVICE_HOST").ok_or(KubernetesError::Outside)?;
    let port = said("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
    Ok(format!("https://{}:{port}", in_brackets(&host)))
}

/// An address as a URL has it.
pub(super) fn in_brackets(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn url(address: &str) -> Result<Url, KubernetesError> {
    let url = Url::parse(address).map_err(|error| odd(address, &error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(odd(address, "it must begin with https:// or http://")),
    }
}

fn odd(server: &str, why: &str) -> KubernetesError {
    KubernetesError::Server { server: server.to_owned(), why: why.to_owned() }
}

fn read(path: PathBuf) -> Option<String> {
    let text = fs_err::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(server: Option<&str>, host: Option<&str>) -> Result<Place, KubernetesError> {
        let token_file = Some("/token".into());
        let (server, deployment) = (server.map(str::to_owned), "worker".to_owned());
        let settings = KubernetesConfig { server, token_file, deployment, ..KubernetesConfig::default() };
        Place::find(&settings, |name| host.filter(|_| name == "KUBERNETES_SERVICE_HOST").map(str::to_owned))
    }

    #[test]
    fn a_pod_finds_its_cluster_and_others_are_told() {
        assert_eq!(find(None, Some("10.0.0.1")).unwrap().server.as_str(), "https://10.0.0.1/");
        assert_eq!(find(None, Some("fd00::1")).unwrap().server.as_str(), "https://[fd00::1]/");
        let place = find(None, Some("10.0.0.1")).unwrap();
        assert!(place.ca_file.unwrap().ends_with("serviceaccount/ca.crt"));
        let outside = find(None, None).unwrap_err().to_string();
        assert!(outside.contains("`server`") && outside.contains("KUBERNETES_SERVICE_HOST"), "{outside}");
        let given = find(Some("http://127.0.0.1:8001"), Some("10.0.0.1")).unwrap();
        assert_eq!((given.server.port(), given.namespace.as_str()), (Some(8001), "default"));
        assert!(given.authorities().unwrap().is_none());
    }

    #[test]
    fn a_token_does_not_travel_in_the_open() {
        let refused = |server| find(Some(server), None).unwrap_err().to_string();
        assert!(refused("http://10.0.0.1:8001").contains("https"));
        assert!(refused("ftp://10.0.0.1").contains("https://"));
        assert!(refused("k8s").contains("`server"));
        assert!(find(Some("http://[::1]:8001"), None).is_ok());
        assert!(find(Some("https://10.0.0.1"), None).is_ok());
    }

    #[test]
    fn a_name_that_would_lead_elsewhere_is_refused() {
        let deployment = "../../secrets".to_owned();
        let settings = KubernetesConfig { deployment, ..KubernetesConfig::default() };
        let told = Place::find(&settings, |_| None).unwrap_err().to_string();
        assert!(told.contains("`deployment`"), "{told}");
    }

    #[test]
    fn a_certificate_that_is_none_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ca_file = Some(file.path().to_owned());
        let (server, deployment) = (Some("https://a".to_owned()), "worker".to_owned());
        let settings = KubernetesConfig { ca_file, server, deployment, ..KubernetesConfig::default() };
        let told = Place::find(&settings, |_| None).unwrap().authorities().unwrap_err().to_string();
        assert!(told.contains("`ca_file`") && told.contains(&file.path().display().to_string()), "{told}");
    }
}
