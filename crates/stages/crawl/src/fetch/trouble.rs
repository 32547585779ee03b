//! What goes wrong with one try, and whether another one helps.

use std::error::Error;

use reqwest::Url;

use super::FetchError;
use super::guard::NotPublic;

/// Why a try has brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Asking again cannot help.
    Final(String),
    /// This is how it is, unless something on the way has answered instead: a proxy, a page to sign in. It is believed
    /// when every try says so.
    Doubtful(String),
    /// Asking again may help.
    Passing(String),
    /// It may help, but not soon enough to wait for it.
    Later(String),
}

impl Trouble {
    pub(super) fn last(reason: &str) -> Self {
        Self::Final(reason.to_owned())
    }

    pub(super) fn doubtful(reason: &str) -> Self {
        Self::Doubtful(reason.to_owned())
    }

    pub(super) fn passing(reason: &str) -> Self {
        Self::Passing(reason.to_owned())
    }

    /// Why a request could not be sent or its answer not be read.
    pub(super) fn of(error: reqwest::Error) -> Self {
        // Its text would have the URL, which may hold a key.
        let error = error.without_url();
        if causes(&error).any(|cause| cause.is::<NotPublic>()) {
            return Self::Final(NotPublic.to_string());
        }
        if error.is_builder() {
            return Self::last("its address cannot be asked for");
        }
        let root = causes(&error).last().map(ToString::to_string).unwrap_or_default();
        let what = if error.is_connect() { "cannot be reached" } else { "its answer broke off" };
        Self::Passing(format!("{what}: {root}"))
    }

    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Final(reason) | Self::Doubtful(reason) | Self::Passing(reason) | Self::Later(reason) => {
                reason
            }
        }
    }

    /// Whether another try may bring something else.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Doubtful(_) | Self::Passing(_))
    }

    /// Whether it tells nothing about what was asked for.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Passing(_))
    }

    /// The error where this came last; `passed` is whether another try failed for reasons that pass.
    pub(super) fn into_error(self, url: Url, passed: bool) -> FetchError {
        match self {
            Self::Doubtful(reason) if !passed => FetchError::Refused { url, reason },
            Self::Final(reason) => FetchError::Refused { url, reason },
            Self::Doubtful(reason) | Self::Passing(reason) | Self::Later(reason) => {
                FetchError::Failed { url, reason }
            }
        }
    }
}

/// An error and what has caused it, the root last.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
