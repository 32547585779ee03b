//! The one place for a measurement that a data folder has, whatever servers use it: two would measure each other.

use std::path::{Path, PathBuf};

use fs_err as fs;
use sightscan_types::Slug;

use super::{Error, Result};

/// Whoever measures holds this file locked, and says in it what.
const LOCK: &str = "measuring.lock";

/// Held by whoever measures.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "it is the lock")] fs::File);

impl Place {
    /// Takes the place for an experiment.
    pub(super) fn take(folder: &Path, name: &Slug) -> Result<Self> {
        let file = fs::OpenOptions::new().create(true).append(true).open(lock(folder))?;
        file.file().try_lock().map_err(|_| Error::RunsElsewhere)?;
        fs::write(lock(folder), name.as_str())?;
        Ok(Self(file))
    }

    /// Whether somebody measures this experiment.
    pub(super) fn is_held(folder: &Path, name: &Slug) -> Result<bool> {
        // Looking takes it for a moment, which nobody shall notice who measures another one.
        let is_meant = fs::read_to_string(lock(folder)).is_ok_and(|held| held == name.as_str());
        Ok(is_meant && fs::File::open(lock(folder))?.file().try_lock_shared().is_err())
    }
}

fn lock(folder: &Path) -> PathBuf {
    folder.join(LOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_measured_at_a_time_and_others_see_which() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| name.parse::<Slug>().unwrap());
        let held = |name| Place::is_held(folder.path(), name).unwrap();
        assert!(!held(&first));
        let place = Place::take(folder.path(), &first).unwrap();
        assert!(held(&first) && !held(&second));
        assert!(matches!(Place::take(folder.path(), &second), Err(Error::RunsElsewhere)));
        drop(place);
        assert!(!held(&first));
        Place::take(folder.path(), &second).unwrap();
    }
}
