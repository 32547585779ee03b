//! A model's ONNX file, for those who compute it elsewhere.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sightscan_types::Sha256;

/// The ONNX file of a model.
#[derive(Debug, Clone)]
pub struct OnnxFile {
    sha256: Sha256,
    size: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    /// It lies on the disk.
    Path(PathBuf),
    /// It was made from files of another kind, or came with the program.
    Bytes(Arc<[u8]>),
}

impl OnnxFile {
    /// A file on the disk whose bytes these are.
    pub(super) fn on_disk(path: &Path, bytes: &[u8]) -> Self {
        let content = Content::Path(path.to_path_buf());
        Self { sha256: Sha256::of(bytes), size: bytes.len() as u64, content }
    }

    /// A file that is nowhere else.
    pub(super) fn in_memory(bytes: &Arc<[u8]>) -> Self {
        let content = Content::Bytes(Arc::clone(bytes));
        Self { sha256: Sha256::of(bytes), size: bytes.len() as u64, content }
    }

    /// The SHA-256 of its bytes when the model was loaded.
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// How many bytes it had then.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Some of its bytes, counted from 0.
    ///
    /// # Errors
    /// When the file is gone or has become shorter.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        match &self.content {
            Content::Path(path) => read_file(path, range),
            Content::Bytes(bytes) => {
                let found = bytes.get(range.start as usize..range.end as usize);
                found.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
        }
    }
}

fn read_file(path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut file = fs_err::File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_same_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        fs_err::write(&path, b"0123456789").unwrap();
        let bytes: Arc<[u8]> = Arc::from(&b"0123456789"[..]);
        for file in [OnnxFile::on_disk(&path, &bytes), OnnxFile::in_memory(&bytes)] {
            assert_eq!((file.sha256(), file.size()), (Sha256::of(&bytes), 10));
            assert_eq!(file.read(2..5).unwrap(), b"234");
            assert_eq!(file.read(0..10).unwrap(), &bytes[..]);
            assert_eq!(file.read(5..11).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
