//! Why Kubernetes does not do what it is asked.

use std::path::PathBuf;
use std::time::Duration;

/// Why Kubernetes does not do what it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubernetesError {
    /// Nothing says where the cluster is.
    #[error(
        "nothing says where Kubernetes is: this is no pod (KUBERNETES_SERVICE_HOST is not set); set `server`, such as `http://127.0.0.1:8001` of `kubectl proxy`"
    )]
    Outside,
    /// A setting cannot be meant.
    #[error("the settings of Kubernetes cannot be meant: {0}")]
    Settings(&'static str),
    /// The address of the API cannot be meant.
    #[error("`server = \"{server}\"` cannot be meant: {why}")]
    Server {
        /// What was given.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// The authority's certificate, or the token, cannot be read.
    #[error(
        "{what} cannot be used: {why}; set `{setting}`, or see that the pod's service account is mounted"
    )]
    Credentials {
        /// What it is.
        what: &'static str,
        /// The setting that names it.
        setting: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The API does not answer.
    #[error(
        "Kubernetes at {server} does not answer ({why}), so nobody can {what}; is it reachable from here?"
    )]
    Unreachable {
        /// Its address.
        server: String,
        /// What could not be done.
        what: String,
        /// How it shows.
        why: String,
    },
    /// The token is none.
    #[error(
        "Kubernetes does not know who asks to {what}: {message}; {}",
        token.as_ref().map_or_else(|| "set `token_file`".to_owned(), |path| format!("is the token in {} of this cluster?", path.display()))
    )]
    Unauthorized {
        /// What could not be done.
        what: String,
        /// What the API says.
        message: String,
        /// Where the token is.
        token: Option<PathBuf>,
    },
    /// A permission is missing.
    #[error(
        "this program may not {verb} {resource} in the namespace {namespace}: {message}; give its service account a role with the verb `{verb}` on `{resource}`"
    )]
    Forbidden {
        /// The verb of the missing rule.
        verb: &'static str,
        /// Its resource.
        resource: &'static str,
        /// The namespace.
        namespace: String,
        /// What the API says.
        message: String,
    },
    /// It is not there.
    #[error("nobody can {what}: {message}; are `deployment` and `namespace` right?")]
    NotFound {
        /// What could not be done.
        what: String,
        /// What the API says.
        message: String,
    },
    /// Somebody else has changed it meanwhile.
    #[error("nobody can {what}: others keep changing it; it is tried again at the next look")]
    Conflict {
        /// What could not be done.
        what: String,
    },
    /// What the API has told is too old by now.
    #[error("nobody can {what}: what it asks for is too old ({message})")]
    Gone {
        /// What could not be done.
        what: String,
        /// What the API says.
        message: String,
    },
    /// The API has too much to do.
    #[error("Kubernetes asks to wait for {} seconds before anybody may {what}", wait.as_secs())]
    TooMany {
        /// What could not be done.
        what: String,
        /// How long.
        wait: Duration,
    },
    /// The API fails.
    #[error("nobody can {what}: Kubernetes answers {status}: {message}")]
    Failed {
        /// What could not be done.
        what: String,
        /// The status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// The API answers something else.
    #[error("nobody can {what}: the answer is not understood ({why}); is `server` the API of Kubernetes?")]
    Odd {
        /// What could not be done.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// Pods did not become ready in time.
    #[error(
        "of {wanted} pods of the deployment {deployment} {ready} are ready after {} seconds: {why}",
        within.as_secs()
    )]
    NotReady {
        /// The deployment.
        deployment: String,
        /// Pods that were wanted.
        wanted: u32,
        /// Pods that are ready.
        ready: usize,
        /// How long was waited.
        within: Duration,
        /// Which are not, and why.
        why: String,
    },
}

impl KubernetesError {
    /// Whether it may have been done in spite of the error.
    pub(super) fn is_uncertain(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Failed { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Whether what was looked at has changed, or may have.
    pub(super) fn is_worth_another_look(&self) -> bool {
        self.is_uncertain() || matches!(self, Self::Conflict { .. })
    }

    /// Whether it may be otherwise in a moment.
    pub(super) fn passes(&self) -> bool {
        self.is_worth_another_look() || matches!(self, Self::TooMany { .. } | Self::Gone { .. })
    }
}
