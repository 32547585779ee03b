//! Where the bytes of a picture come from.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The bytes of a picture, which are fetched when they are needed and held by nobody before.
#[derive(Clone)]
pub struct Picture(Arc<Fetch>);

type Fetch = dyn Fn() -> io::Result<Vec<u8>> + Send + Sync;

impl Picture {
    /// Bytes that a function fetches: out of a store of blobs, a ZIP file, a renderer.
    pub fn new(fetch: impl Fn() -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fetch))
    }

    /// The content of a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::new(move || fs_err::read(&path))
    }

    /// Bytes that are in memory anyway.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self::new(move || Ok(bytes.to_vec()))
    }

    /// Fetches the bytes.
    ///
    /// # Errors
    /// What the disk says, or the function.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        (self.0)()
    }

    /// Width and height of the upright picture, by decoding all of it.
    pub(crate) fn measure(&self) -> Result<(u32, u32), String> {
        let bytes = self.read().map_err(|error| error.to_string())?;
        let inspection = sightscan_pictures::inspect(&bytes, &sightscan_pictures::Limits::default());
        inspection.map(|found| (found.width(), found.height())).map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Picture")
    }
}

impl PartialEq for Picture {
    /// Always: to compare bytes, fetch them.
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_fetched_when_they_are_read_and_an_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later.jpg");
        let picture = Picture::file(&path);
        assert!(picture.read().unwrap_err().to_string().contains("later.jpg"));
        fs_err::write(&path, b"now").unwrap();
        assert_eq!(picture.read().unwrap(), b"now");
        assert_eq!(Picture::bytes(*b"held").read().unwrap(), b"held");
    }
}
