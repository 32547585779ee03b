//! Where a blob lies below its folder or prefix: `ab/<sha256>`.
//!
//! The 256 folders keep each small enough for any tool: with a million blobs it holds about 4,000.

use object_store::path::Path;
use sightscan_types::Sha256;

/// The folder and the name.
pub(crate) fn parts(hash: &Sha256) -> [String; 2] {
    let name = hash.to_string();
    [name[..2].to_owned(), name]
}

/// The key below a prefix, which may be empty.
pub(crate) fn of(prefix: &Path, hash: &Sha256) -> Path {
    prefix.parts().chain(parts(hash).map(Into::into)).collect()
}

/// The hash whose key this is; none for keys that are not of this layout.
#[cfg(feature = "cloud")]
pub(crate) fn parse(prefix: &Path, key: &Path) -> Option<Sha256> {
    let hash = key.filename()?.parse().ok()?;
    (of(prefix, &hash) == *key).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_level() {
        let hash = Sha256::of(b"abc");
        let key = "ba/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(&Path::default(), &hash).as_ref(), key);
        assert_eq!(of(&Path::from("a/b"), &hash).as_ref(), format!("a/b/{key}"));
    }

    #[cfg(feature = "cloud")]
    #[test]
    fn only_keys_of_this_layout_are_blobs() {
        let (prefix, hash) = (Path::from("a"), Sha256::of(b"abc"));
        assert_eq!(parse(&prefix, &of(&prefix, &hash)), Some(hash));
        for foreign in
            [format!("a/{hash}"), format!("a/bb/{hash}"), format!("ba/{hash}"), "a/ba/x".to_owned()]
        {
            assert_eq!(parse(&prefix, &Path::from(foreign)), None);
        }
    }
}
