//! Changing the metadata of an `.onnx` file, and nothing else in it.

use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::proto::{ModelProto, StringStringEntryProto};
use super::{FormatError, parse};

/// The number of the field `metadata_props` in `onnx.proto`.
const METADATA_PROPS: u32 = 14;

/// The same file with these metadata entries, beside those of other keys that it has.
///
/// All other fields keep their bytes, also those that [`ModelProto`] does not know.
///
/// # Errors
/// When the bytes are not an ONNX model.
pub fn with_metadata(bytes: &[u8], entries: &[(&str, String)]) -> Result<Vec<u8>, FormatError> {
    let mut kept = parse(bytes)?.metadata_props;
    kept.retain(|old| entries.iter().all(|(key, _)| *key != old.key()));
    let entry = |(key, value): &(&str, String)| StringStringEntryProto {
        key: Some((*key).to_owned()),
        value: Some(value.clone()),
    };
    let metadata_props = kept.into_iter().chain(entries.iter().map(entry)).collect();
    let mut changed = without_metadata(bytes).map_err(|error| FormatError { reason: error.to_string() })?;
    // The fields of a protocol buffer message may come in any order, so the new ones go to the end.
    changed.extend(ModelProto { metadata_props, ..Default::default() }.encode_to_vec());
    Ok(changed)
}

fn without_metadata(bytes: &[u8]) -> Result<Vec<u8>, prost::DecodeError> {
    let (mut rest, mut kept) = (bytes, Vec::with_capacity(bytes.len()));
    while !rest.is_empty() {
        let field = rest;
        let (number, wire_type) = decode_key(&mut rest)?;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        if number != METADATA_PROPS {
            kept.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::build;
    use crate::onnx::proto::GraphProto;

    fn file() -> Vec<u8> {
        let node = vec![build::node("Identity", &["a"], "b", Vec::new())];
        let graph = GraphProto { node, name: Some("g".into()), ..Default::default() };
        let mut bytes = build::model(graph, &[("author", "me".into()), ("names", "old".into())]).to_bytes();
        // Field 25, local functions, is one that our messages leave out: key 25 << 3 | 2, two bytes.
        bytes.extend([0xca, 0x01, 2, 0x0a, 0]);
        bytes
    }

    #[test]
    fn entries_are_replaced_or_added_and_others_stay() {
        let bytes = with_metadata(&file(), &[("names", "new".into()), ("stride", "32".into())]).unwrap();
        let model = parse(&bytes).unwrap();
        let found: Vec<_> = model.metadata_props.iter().map(|entry| (entry.key(), entry.value())).collect();
        assert_eq!(found, [("author", "me"), ("names", "new"), ("stride", "32")]);
    }

    #[test]
    fn unknown_fields_keep_their_bytes() {
        let bytes = with_metadata(&file(), &[]).unwrap();
        assert!(bytes.windows(5).any(|window| window == [0xca, 0x01, 2, 0x0a, 0]));
        assert_eq!(parse(&bytes).unwrap(), parse(&file()).unwrap());
    }

    #[test]
    fn text_is_refused() {
        assert!(with_metadata(b"hello", &[]).is_err());
    }
}
