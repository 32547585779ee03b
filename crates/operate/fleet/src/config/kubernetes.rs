//! The section `[pool.kubernetes]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which deployment the workers are, and where its cluster is. What is not said is what Kubernetes tells every pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesConfig {
    /// The deployment.
    pub deployment: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// The address of the API, such as `http://127.0.0.1:8001`.
    pub server: Option<String>,
    /// The file with the token that this program shows; read again for every call.
    pub token_file: Option<PathBuf>,
    /// The file with the certificate of the authority that has signed the API's.
    pub ca_file: Option<PathBuf>,
    /// The port on which workers tell what they do; the container's port named `admin` unless given.
    pub admin_port: Option<u16>,
}

impl KubernetesConfig {
    /// Says what cannot be meant.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if !is_name(&self.deployment) {
            return Err(
                "`deployment` must be the name of a deployment: lower-case letters, digits, `-` and `.`",
            );
        }
        if !self.namespace.as_deref().is_none_or(is_name) {
            return Err("`namespace` must be the name of a namespace: lower-case letters, digits and `-`");
        }
        if self.admin_port == Some(0) {
            return Err("`admin_port` must not be 0");
        }
        Ok(())
    }
}

/// Whether it is a name as Kubernetes knows them (RFC 1123), which is also part of a path.
fn is_name(name: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    (1..=253).contains(&name.len()) && name.bytes().all(is_usual) && !name.starts_with(['-', '.'])
}
