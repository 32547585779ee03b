//! Trying a transaction again that met another one.

use std::time::Duration;

use crate::{Error, Result};

const MOST: u32 = 6;
const PAUSE: Duration = Duration::from_millis(15);

/// Counts how often something was tried.
#[derive(Debug, Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// Waits a moment before the next try, longer each time.
    ///
    /// # Errors
    /// This error, when trying again cannot help or has not helped often enough: see [`Error::is_transient`]. A blob that
    /// was collected before its row was written is put again.
    pub(crate) async fn again(&mut self, error: Error) -> Result<()> {
        self.0 += 1;
        if self.0 == MOST || !(error.is_transient() || matches!(error, Error::BlobVanished(_))) {
            return Err(error);
        }
        tokio::time::sleep(PAUSE * self.0).await;
        Ok(())
    }
}
