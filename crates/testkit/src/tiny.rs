//! Networks that are small enough to run thousands of times a second, and whose answers can be computed by hand.

#[cfg(feature = "networks")]
use std::path::{Path, PathBuf};

#[cfg(feature = "networks")]
use sightscan_engine::onnx::{build, proto::GraphProto};
use sightscan_pictures::{Encoding, Picture, encode};

/// Width and height of the input of [`colour_box`] in pixels.
#[cfg(feature = "networks")]
pub const COLOUR_BOX_SIDE: usize = 32;
/// The only class of [`colour_box`].
#[cfg(feature = "networks")]
pub const COLOUR_BOX_CLASS: &str = "colour";

/// The bytes of an ONNX network whose one box tells the mean colour of the picture.
///
/// Its output has YOLOv5's layout for one box and one class. The box is centred in the picture; its width is the
/// mean red (0 to 1) times the picture's width, its height the mean green times the picture's height, and its
/// confidence the mean blue. So the answer for a plain picture can be told from the answer for any other.
#[cfg(feature = "networks")]
pub fn colour_box() -> Vec<u8> {
    let side = COLOUR_BOX_SIDE as f32;
    // Rows are red, green and blue; columns are centre x, centre y, width, height, objectness and class.
    #[rustfmt::skip]
    let weights = [
        0.0, 0.0, side, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.0, side, 0.0, 0.0,
        0.0, 0.0, 0.0, 0.0, 1.0, 0.0,
    ];
    let constants = [side / 2.0, side / 2.0, 0.0, 0.0, 0.0, 1.0];
    let graph = GraphProto {
        name: Some("colour_box".into()),
        node: vec![
            build::node("GlobalAveragePool", &["images"], "mean", vec![]),
            build::node("Flatten", &["mean"], "colour", vec![build::int("axis", 1)]),
            build::node("MatMul", &["colour", "weights"], "scaled", vec![]),
            build::node("Add", &["scaled", "constants"], "row", vec![]),
            build::node("Reshape", &["row", "shape"], "output0", vec![]),
        ],
        initializer: vec![
            build::floats("weights", &[3, 6], &weights),
            build::floats("constants", &[6], &constants),
            build::integers("shape", &[3], &[1, 1, 6]),
        ],
        input: vec![build::value("images", &[Ok(1), Ok(3), Ok(COLOUR_BOX_SIDE), Ok(COLOUR_BOX_SIDE)])],
        output: vec![build::value("output0", &[Ok(1), Ok(1), Ok(6)])],
        ..Default::default()
    };
    let metadata = [
        ("names", format!("{{0: '{COLOUR_BOX_CLASS}'}}")),
        ("imgsz", format!("[{COLOUR_BOX_SIDE}, {COLOUR_BOX_SIDE}]")),
        ("task", "detect".to_owned()),
    ];
    build::model(graph, &metadata).to_bytes()
}

/// Writes [`colour_box`] into a folder, with a description that stretches pictures: a letterbox would mix the
/// colour of its padding into the mean.
///
/// # Panics
/// Where the folder cannot be written to.
#[cfg(feature = "networks")]
pub fn write_colour_box(folder: &Path) -> PathBuf {
    let path = folder.join("colour_box.onnx");
    fs_err::write(&path, colour_box()).expect("the folder is writable");
    fs_err::write(folder.join("model.toml"), "[input]\nfit = \"stretch\"\n").expect("the folder is writable");
    path
}

/// A PNG file of one colour.
///
/// # Panics
/// For a picture without pixels.
pub fn plain_picture(rgb: [u8; 3], width: u32, height: u32) -> Vec<u8> {
    let picture = Picture { width, height, rgb: rgb.repeat((width * height) as usize) };
    encode(&picture, Encoding::Png).expect("PNG takes pictures of any size")
}
