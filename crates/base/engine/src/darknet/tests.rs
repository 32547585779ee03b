use proptest::prelude::*;

use super::*;
use crate::onnx::proto::TensorProto;

/// A detector of two classes with one convolution: 7 filters of 3 channels and one anchor.
const SMALL: &str = "\
[net]
width=64
height=32

[convolutional]
batch_normalize=1
filters=7
size=1
stride=16
activation=linear

[yolo]
anchors=10,20
classes=2
";

/// Numbers that [`SMALL`] needs: bias, scale, mean and variance of 7 filters with 3 weights each.
const SMALL_NUMBERS: usize = 7 * (4 + 3);

/// Layers and options of every kind.
const UNUSUAL: &str = include_str!("../../tests/unusual.cfg");

fn file(header: &[i32], numbers: impl IntoIterator<Item = f32>) -> Vec<u8> {
    let header = header.iter().flat_map(|integer| integer.to_le_bytes());
    header.chain(numbers.into_iter().flat_map(f32::to_le_bytes)).collect()
}

fn zeros(count: usize) -> Vec<u8> {
    file(&[0, 2, 0, 0, 0], vec![0.0; count])
}

fn refusal(cfg: &str, weights: &[u8]) -> String {
    parse(cfg, weights).unwrap_err().to_string()
}

#[test]
fn a_small_network_is_understood() {
    let network = parse(SMALL, &zeros(SMALL_NUMBERS)).unwrap();
    assert_eq!((network.width(), network.height(), network.classes()), (64, 32, 2));
    let model = network.to_onnx(64, 32, &[]).unwrap();
    assert_eq!(model.inputs()[0].to_string(), "images [?,3,32,64]");
    assert_eq!(model.outputs()[0].to_string(), "output0 [?,8,7]");
    assert_eq!(model.metadata("stride"), Some("16"));
    assert_eq!(model.metadata("imgsz"), Some("[32, 64]"));
    assert_eq!(model.metadata("task"), Some("detect"));
    assert_eq!(model.metadata("names"), None);
}

#[test]
fn comments_spaces_and_windows_line_ends_do_not_matter() {
    let loose =
        format!("\u{feff}# a network\n; of ours\n{SMALL}").replace('=', " = ").replace('\n', "\t# why\r\n");
    assert!(parse(&loose, &zeros(SMALL_NUMBERS)).is_ok());
}

#[test]
fn batch_normalisation_is_folded_into_the_convolution() {
    // Biases, scales, means, variances, weights: each filter the same.
    let values = [(7, 0.5), (7, 3.0), (7, 2.0), (7, 4.0), (21, 10.0)];
    let numbers = values.into_iter().flat_map(|(count, value)| std::iter::repeat_n(value, count));
    let network = parse(SMALL, &file(&[0, 2, 0, 0, 0], numbers)).unwrap();
    let folded = network.weights[0].as_ref().unwrap();
    let close = |found: &[f32], expected: f32| found.iter().all(|number| (number - expected).abs() < 1e-4);
    assert!(close(&folded.kernels, 10.0 * 3.0 / 2.0), "{folded:?}");
    assert!(close(&folded.biases, 0.5 - 2.0 * 3.0 / 2.0), "{folded:?}");
}

#[test]
fn the_count_of_pictures_in_the_header_has_the_size_of_its_version() {
    let numbers = vec![1.0; SMALL_NUMBERS];
    for header in [&[0, 1, 0, 9][..], &[0, 2, 5, 0, 0], &[1, 0, 0, 0, 0], &[1000, 0, 0, 9]] {
        assert!(parse(SMALL, &file(header, numbers.clone())).is_ok(), "{header:?}");
    }
    assert!(refusal(SMALL, &[0; 11]).contains("only 11 bytes"));
    assert!(refusal(SMALL, &file(&[0, 2, 0, 0], [])).contains("only 16 bytes"));
}

#[test]
fn weights_of_another_length_are_refused_with_both_numbers() {
    for found in [0, SMALL_NUMBERS - 1, SMALL_NUMBERS + 1] {
        let message = refusal(SMALL, &zeros(found));
        assert!(message.contains(&format!("hold {found} numbers")), "{message}");
        assert!(message.contains("need 49"), "{message}");
    }
    let cut = zeros(SMALL_NUMBERS);
    assert!(refusal(SMALL, &cut[..cut.len() - 1]).contains("hold 48 numbers"));
}

#[test]
fn damaged_weights_are_refused() {
    // The number at this place is a variance, so that a negative one has no square root.
    for broken in [f32::NAN, f32::INFINITY, -1.0] {
        let numbers = (0..SMALL_NUMBERS).map(|index| if index == 22 { broken } else { 1.0 });
        let message = refusal(SMALL, &file(&[0, 2, 0, 0, 0], numbers));
        assert!(
            message.contains("layer 0 [convolutional] at line 5") && message.contains("not finite"),
            "{message}"
        );
    }
}

#[test]
fn what_is_not_supported_is_named_with_its_place() {
    let cases = [
        ("[yolo]", "[region]", "layer 1 [region] at line 12: [region] is not supported", "[shortcut]"),
        (
            "activation=linear",
            "activation=gelu",
            "layer 0 [convolutional] at line 5: activation=gelu",
            "mish",
        ),
        ("stride=16", "stride=16\ndilation=2", "dilation=2 is not supported", "dilation=1"),
        ("stride=16", "stride=16\nstride_x=2", "stride_x=2 is not supported", "stride_x=16"),
        ("stride=16", "stride=16\nxnor=1", "xnor=1 is not supported", "xnor=0"),
        ("stride=16", "stride=16\nshare_index=0", "share_index=0 is not supported", "weights of its own"),
        (
            "[yolo]",
            "[shortcut]\nfrom=-1\nweights_type=per_channel\n[yolo]",
            "weights_type=per_channel",
            "none",
        ),
        ("[yolo]", "[upsample]\nscale=2\n[yolo]", "scale=2 is not supported", "scale=1"),
        ("[yolo]", "[maxpool]\nmaxpool_depth=1\n[yolo]", "maxpool_depth=1", "maxpool_depth=0"),
    ];
    for (from, to, found, supported) in cases {
        let message = refusal(&SMALL.replace(from, to), &zeros(SMALL_NUMBERS));
        assert!(message.contains(found) && message.contains(supported), "{to}: {message}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused_before_anything_is_allocated() {
    let cases = [
        ("width=64", "width=1000000000", "width is \"1000000000\""),
        ("width=64", "", "width is missing"),
        ("width=64", "width=9000", "9000x32 pixels"),
        ("filters=7", "filters=1000000000", "filters is \"1000000000\""),
        ("filters=7", "filters=99999999999999999999", "filters is"),
        ("filters=7", "filters=7\ngroups=0", "groups is \"0\""),
        ("filters=7", "filters=7\ngroups=2", "do not split into 2 groups"),
        ("batch_normalize=1", "batch_normalize=yes", "batch_normalize is \"yes\""),
        ("size=1", "size=65536", "greater than its input 3x32x64"),
        ("stride=16", "stride=-1", "stride is \"-1\""),
        ("anchors=10,20", "", "anchors is missing"),
        ("anchors=10,20", "anchors=10,20,30", "pairs of positive numbers"),
        ("anchors=10,20", "anchors=10,nan", "pairs of positive numbers"),
        ("anchors=10,20", "anchors=10,20\nmask=0,1", "numbers of anchors from 0 to 0"),
        ("classes=2", "classes=3", "its input has 7 channels, but 1 anchors with 3 classes need 8"),
        ("classes=2", "classes=2\nscale_x_y=inf", "scale_x_y is \"inf\""),
        ("classes=2", "classes=2\nnew_coords=maybe", "new_coords is \"maybe\""),
        ("[yolo]", "[route]\nlayers=1\n[yolo]", "layers is \"1\"; expected numbers of layers before layer 1"),
        ("[yolo]", "[route]\nlayers=-2\n[yolo]", "layers is \"-2\""),
        ("[yolo]", "[route]\nlayers=,\n[yolo]", "layers is \",\""),
        ("[yolo]", "[route]\nlayers=-1\ngroups=2\ngroup_id=2\n[yolo]", "less than groups, which is 2"),
        (
            "[yolo]",
            "[route]\nlayers=-1\ngroups=2\n[yolo]",
            "7 channels of layer 0 do not split into 2 groups",
        ),
        ("[yolo]", "[upsample]\nstride=40000\n[yolo]", "is too large"),
        ("[yolo]", "[maxpool]\nsize=2\npadding=4\n[yolo]", "less than twice the size, which is 2"),
    ];
    for (from, to, expected) in cases {
        let message = refusal(&SMALL.replace(from, to), &zeros(SMALL_NUMBERS));
        assert!(message.contains(expected), "{to}: {message}");
    }
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let after_yolo = format!("{SMALL}\n[convolutional]\nfilters=1\n");
    assert!(
        refusal(&after_yolo, &[]).contains("layer 2 [convolutional] at line 16: its input is layer 1 [yolo]")
    );
    let sizes = SMALL.replace("[yolo]", "[maxpool]\nstride=2\n[route]\nlayers=-1,-2\n[yolo]");
    assert!(refusal(&sizes, &[]).contains("layers 1 and 0 differ in size (7x1x2 and 7x2x4)"));
    let shapes = SMALL.replace("[yolo]", "[maxpool]\nstride=2\n[shortcut]\nfrom=0\n[yolo]");
    assert!(refusal(&shapes, &[]).contains("7x1x2, and 7x2x4 of layer 0"));
    let classes = format!("{SMALL}\n[route]\nlayers=0\n[yolo]\nanchors=1,2\nclasses=2\n");
    assert!(matches!(parse(&classes, &zeros(SMALL_NUMBERS)), Ok(network) if network.layers.len() == 4));
    let differ = classes.replace("filters=7", "filters=14").replacen("anchors=10,20", "anchors=1,1,2,2", 1);
    let differ = differ.replace("anchors=1,2\nclasses=2", "anchors=1,2\nclasses=9");
    assert!(refusal(&differ, &[]).contains("it has 9 classes, but the first [yolo] layer has 2"));
}

#[test]
fn doubling_channels_or_boxes_without_weights_ends_early() {
    let doubled = "[route]\nlayers=-1,-1\n".repeat(60);
    assert!(
        refusal(&format!("[net]\nwidth=64\nheight=64\n[dropout]\n{doubled}"), &[]).contains("is too large")
    );
    let head = "[route]\nlayers=0\n[yolo]\nanchors=1,1\nclasses=2\n".repeat(100);
    let many =
        SMALL.replace("width=64\nheight=32", "width=4096\nheight=4096").replace("stride=16", "stride=4");
    assert!(refusal(&format!("{many}{head}"), &[]).contains("at most 1000000 are supported"));
}

#[test]
fn texts_of_other_kinds_are_refused() {
    assert!(refusal("", &[]).contains("does not begin with [net]"));
    assert!(refusal("names=coco.names\n", &[]).contains("does not begin with [net]"));
    assert!(refusal("[yolo]\n[net]\n", &[]).contains("does not begin with [net]"));
    assert!(refusal("[net]\nwidth 416\n", &[]).contains("line 2 of the configuration is \"width 416\""));
    assert!(refusal("[net\n", &[]).contains("line 1"));
    assert!(refusal("[net]\nwidth=8\nheight=8\n", &[]).contains("no [yolo] layer"));
}

#[test]
fn names_must_be_as_many_as_the_classes() {
    let network = parse(SMALL, &zeros(SMALL_NUMBERS)).unwrap();
    let names = ["it's", "b"].map(str::to_owned);
    assert_eq!(network.to_onnx(64, 32, &names).unwrap().metadata("names"), Some(r"{0: 'it\'s', 1: 'b'}"));
    assert!(
        network.to_onnx(64, 32, &names[..1]).unwrap_err().to_string().contains("there are 1 class names")
    );
}

#[test]
fn an_input_that_the_layers_do_not_fit_is_refused() {
    let needed = needed(UNUSUAL).unwrap();
    let network = parse(UNUSUAL, &zeros(needed)).unwrap();
    assert!(network.to_onnx(128, 96, &[]).is_ok());
    assert!(
        network.to_onnx(70, 96, &[]).unwrap_err().to_string().contains("multiples of the network's stride")
    );
    for (width, height) in [(0, 32), (32, 0), (usize::MAX, 32), (8193, 32)] {
        let message = network.to_onnx(width, height, &[]).unwrap_err().to_string();
        assert!(message.contains("choose a width and height from 1 to 8192"), "{message}");
    }
}

#[test]
fn constants_hold_as_many_numbers_as_their_shapes_say() {
    let network = parse(UNUSUAL, &zeros(needed(UNUSUAL).unwrap())).unwrap();
    let graph = network.to_onnx(96, 64, &[]).unwrap().graph.unwrap();
    let width = |tensor: &TensorProto| if tensor.data_type() == 1 { 4 } else { 8 };
    let counts = |tensor: &TensorProto| tensor.dims.iter().product::<i64>() as usize * width(tensor);
    assert!(graph.initializer.iter().all(|tensor| counts(tensor) == tensor.raw_data().len()));
    let mut names: Vec<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
    let total = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), total, "two operations write the same value");
}

/// How many numbers a configuration needs, where it is understood and they are few.
fn needed(cfg: &str) -> Option<usize> {
    match parse(cfg, &zeros(0)) {
        Ok(_) => Some(0),
        Err(DarknetError::Weights { needed, .. }) => {
            usize::try_from(needed).ok().filter(|count| *count < 100_000)
        }
        Err(_) => None,
    }
}

/// A value as a typing error, a fuzzer or an attacker would write it.
fn value() -> impl Strategy<Value = String> {
    let odd = [
        "",
        "-1",
        "0",
        "1",
        "2",
        "3",
        "7",
        "65536",
        "1000000000",
        "18446744073709551616",
        "nan",
        "1e30",
        "mish",
    ];
    prop_oneof![
        proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
        (-9i64..99).prop_map(|number| number.to_string()),
        proptest::collection::vec(-5i64..20, 0..5).prop_map(|numbers| numbers
            .iter()
            .map(i64::to_string)
            .collect::<Vec<_>>()
            .join(",")),
    ]
}

/// The configuration with all layers after some changes to its lines.
fn mutated() -> impl Strategy<Value = String> {
    let lines = UNUSUAL.lines().count();
    proptest::collection::vec((0..lines, value(), 0..4), 1..4).prop_map(|changes| {
        let mut lines: Vec<String> = UNUSUAL.lines().map(str::to_owned).collect();
        for (index, value, how) in changes {
            let other = lines[(index * 7 + 3) % lines.len()].clone();
            let key = lines[index].split('=').next().unwrap_or_default().to_owned();
            lines[index] = match how {
                0 => String::new(),
                1 => other,
                _ => format!("{key}={value}"),
            };
        }
        lines.join("\n")
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*", lines in "(\\[?[a-z_]{0,8}[]=,# 0-9-]{0,6}\n){0,20}") {
        let _ = parse(&text, &[]);
        let _ = parse(&format!("[net]\nwidth=32\nheight=32\n{lines}"), &zeros(3));
        let _ = parse(&format!("{SMALL}{text}"), &zeros(SMALL_NUMBERS));
    }

    #[test]
    fn no_weights_make_the_reader_panic(weights in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(SMALL, &weights);
    }

    #[test]
    fn changed_configurations_are_understood_or_refused(cfg in mutated(), width in 1usize..300, height in 1usize..300) {
        if let Some(count) = needed(&cfg) {
            let network = parse(&cfg, &zeros(count)).unwrap();
            let _ = network.to_onnx(width, height, &[]);
            prop_assert!(parse(&cfg, &zeros(count + 1)).is_err());
        }
    }
}
