//! Who asks, and pays.

use std::path::{Path, PathBuf};

use super::account::Account;
use super::secret::Secret;

/// Who asks Vision: an API key or a service account. Neither is shown by `Debug` or in errors.
#[derive(Debug)]
pub struct Credentials(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Key(Secret),
    Account(Box<Account>),
}

/// Why a text or a file is no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The key is empty.
    #[error("the API key is empty: copy it from the Google Cloud console")]
    NoKey,
    /// The file cannot be read. The error names it.
    #[error("the service account cannot be read: {0}; check GOOGLE_APPLICATION_CREDENTIALS")]
    Read(#[from] std::io::Error),
    /// The file is something else.
    #[error("{} is not the key of a service account ({reason}): download one as JSON from the Google Cloud console", path.display())]
    NotAnAccount {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never a part of it.
        reason: String,
    },
}

impl Credentials {
    /// An API key of the Google Cloud console.
    ///
    /// # Errors
    /// When it is empty.
    pub fn api_key(key: &str) -> Result<Self, CredentialsError> {
        if key.trim().is_empty() {
            return Err(CredentialsError::NoKey);
        }
        Ok(Self(Kind::Key(Secret::new(key))))
    }

    /// The key of a service account: the JSON file that `GOOGLE_APPLICATION_CREDENTIALS` names.
    ///
    /// # Errors
    /// When it cannot be read or is something else.
    pub fn service_account(file: &Path) -> Result<Self, CredentialsError> {
        let json = fs_err::read(file)?;
        let account = Account::parse(&json);
        let account =
            account.map_err(|reason| CredentialsError::NotAnAccount { path: file.to_path_buf(), reason })?;
        Ok(Self(Kind::Account(Box::new(account))))
    }
}
