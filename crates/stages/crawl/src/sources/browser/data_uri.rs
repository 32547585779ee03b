//! Pictures that are their own addresses: `data:image/jpeg;base64,…` (RFC 2397).

use bytes::Bytes;

/// The picture in an address, where it is one. Others than such with base64 are not in use.
pub(super) fn picture(address: &str) -> Option<Bytes> {
    let (head, body) = address.strip_prefix("data:")?.split_once(',')?;
    let kind = head.strip_suffix(";base64")?;
    if !kind.starts_with("image/") {
        return None;
    }
    let bytes = base64_simd::forgiving_decode_to_vec(body.as_bytes()).ok()?;
    Some(Bytes::from(bytes)).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_pictures_in_base64_are_taken() {
        assert_eq!(picture("data:image/jpeg;base64,aGk=").unwrap(), "hi");
        assert_eq!(picture("data:image/png;charset=x;base64,aGk").unwrap(), "hi");
        for other in [
            "data:image/svg+xml,<svg/>",
            "data:text/html;base64,aGk=",
            "data:image/gif;base64,",
            "data:image/gif;base64,%%",
            "data:image/gif;base64",
            "https://example.org/a.jpg",
            "",
        ] {
            assert_eq!(picture(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 1..100)) {
            let encoded = base64_simd::STANDARD.encode_to_string(&bytes);
            prop_assert_eq!(picture(&format!("data:image/webp;base64,{encoded}")).unwrap(), bytes);
        }

        #[test]
        fn nothing_panics(address in "(data:)?(image/)?\\PC{0,20}(;base64)?,?\\PC{0,20}") {
            let _ = picture(&address);
        }
    }
}
