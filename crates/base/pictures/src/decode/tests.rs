use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, Frame, ImageFormat, RgbaImage};
use proptest::prelude::*;

use super::*;
use crate::samples::*;

fn decoded(bytes: &[u8]) -> Picture {
    let picture = decode(bytes, &Limits::default()).unwrap();
    assert_eq!(picture.rgb.len(), 3 * picture.width as usize * picture.height as usize);
    picture
}

fn is_corrupt(bytes: &[u8]) -> bool {
    matches!(decode(bytes, &Limits::default()), Err(DecodeError::Corrupt { .. }))
}

fn is_too_large(bytes: &[u8]) -> bool {
    matches!(decode(bytes, &Limits::default()), Err(DecodeError::TooManyPixels { .. }))
}

/// Every quarter where the orientation's definition puts it: the stored rows and columns start at the sides that the
/// Exif specification names.
fn turned_quarters(orientation: u8) -> [[u8; 3]; 4] {
    let [a, b, c, d] = QUARTERS;
    match orientation {
        1 => [a, b, c, d],
        2 => [b, a, d, c],
        3 => [d, c, b, a],
        4 => [c, d, a, b],
        5 => [a, c, b, d],
        6 => [c, a, d, b],
        7 => [d, b, c, a],
        8 => [b, d, a, c],
        _ => unreachable!("orientations go from 1 to 8"),
    }
}

#[test]
fn every_kind_of_picture_shows_its_quarters() {
    for (name, bytes) in samples() {
        let picture = decoded(&bytes);
        assert_eq!((picture.width, picture.height), (SIDE, SIDE), "{name}");
        assert!(close(&quarters_of(&picture), &QUARTERS), "{name}: {:?}", quarters_of(&picture));
    }
}

#[test]
fn a_grey_jpeg_has_three_equal_channels() {
    let mut bytes = Vec::new();
    let ramp: Vec<u8> = (0..=255).collect();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode(&ramp, 16, 16, ExtendedColorType::L8).unwrap();
    let picture = decoded(&bytes);
    for (found, expected) in picture.rgb.chunks(3).zip(ramp) {
        assert!(
            found[0] == found[1] && found[1] == found[2] && found[0].abs_diff(expected) <= 8,
            "{found:?}"
        );
    }
}

#[test]
fn sixteen_bit_channels_keep_their_upper_byte() {
    let wide = image::ImageBuffer::from_fn(2, 1, |x, _| image::Rgb([0x12FF_u16, 0x3400, 0xFFFF - x as u16]));
    assert_eq!(
        decoded(&encoded(&DynamicImage::ImageRgb16(wide), ImageFormat::Png)).rgb[..3],
        [0x12, 0x34, 0xFF]
    );
    let grey = image::ImageBuffer::from_fn(3, 1, |x, _| image::Luma([0x0180_u16 * (x as u16 + 1)]));
    let picture = decoded(&encoded(&DynamicImage::ImageLuma16(grey), ImageFormat::Png));
    assert_eq!(picture.rgb, [1, 1, 1, 3, 3, 3, 4, 4, 4]);
}

#[test]
fn grey_pictures_widen_without_losing_a_pixel() {
    let grey = image::GrayImage::from_fn(7, 5, |x, y| image::Luma([(x * 30 + y) as u8]));
    let expected: Vec<u8> = grey.as_raw().iter().flat_map(|&l| [l; 3]).collect();
    let with_alpha = DynamicImage::from(grey.clone()).to_luma_alpha8();
    assert_eq!(decoded(&encoded(&grey.into(), ImageFormat::Png)).rgb, expected);
    assert_eq!(decoded(&encoded(&with_alpha.into(), ImageFormat::Png)).rgb, expected);
}

#[test]
fn one_bit_pixels_are_black_and_white() {
    let (black, white) = ([0; 3], [255; 3]);
    assert_eq!(quarters_of(&decoded(&fixture("checks-1bit.png"))), [black, white, white, black]);
}

#[test]
fn alpha_is_dropped_and_not_blended() {
    let picture = RgbaImage::from_pixel(3, 2, image::Rgba([10, 20, 30, 0]));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let found = decoded(&encoded(&picture.clone().into(), format));
        assert_eq!(pixel(&found, 1, 1), [10, 20, 30], "{format:?}");
    }
}

#[test]
fn an_animation_shows_its_first_frame() {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    let second = RgbaImage::from_pixel(SIDE, SIDE, image::Rgba([0, 0, 0, 255]));
    encoder.encode_frame(Frame::new(DynamicImage::from(quarters()).to_rgba8())).unwrap();
    encoder.encode_frame(Frame::new(second)).unwrap();
    drop(encoder);
    assert!(close(&quarters_of(&decoded(&bytes)), &QUARTERS));
}

#[test]
fn all_eight_orientations_are_applied_to_jpeg() {
    for orientation in 1..=8 {
        for big_endian in [false, true] {
            let body = [b"Exif\0\0".as_slice(), &exif(orientation, big_endian)].concat();
            let picture = decoded(&with_segments(&jpeg(), &segment(0xE1, &body)));
            let found = quarters_of(&picture);
            assert!(close(&found, &turned_quarters(orientation)), "{orientation} {big_endian}: {found:?}");
        }
    }
}

#[test]
fn turning_swaps_the_sides() {
    let mut bytes = Vec::new();
    let grey: Vec<u8> = (0..60).map(|index| if index < 20 { 250 } else { 5 }).collect();
    JpegEncoder::new_with_quality(&mut bytes, 100).encode(&grey, 20, 3, ExtendedColorType::L8).unwrap();
    let body = [b"Exif\0\0".as_slice(), &exif(6, false)].concat();
    let picture = decoded(&with_segments(&bytes, &segment(0xE1, &body)));
    assert_eq!((picture.width, picture.height), (3, 20));
    // The first stored row is the right side.
    assert!(pixel(&picture, 2, 10)[0] > 200 && pixel(&picture, 0, 10)[0] < 50);
}

#[test]
fn png_and_webp_carry_an_orientation_too() {
    let rgb = DynamicImage::from(quarters());
    let png = encoded(&rgb, ImageFormat::Png);
    let ahead = [&png[..33], &png_chunk(b"eXIf", &exif(3, true)), &png[33..]].concat();
    let end = png.len() - 12;
    let behind = [&png[..end], &png_chunk(b"eXIf", &exif(6, false)), &png[end..]].concat();
    assert_eq!(quarters_of(&decoded(&ahead)), turned_quarters(3));
    assert_eq!(quarters_of(&decoded(&behind)), turned_quarters(6));

    let simple = encoded(&rgb, ImageFormat::WebP);
    let canvas = [0x08, 0, 0, 0, 15, 0, 0, 15, 0, 0];
    let prefixed = [b"Exif\0\0".as_slice(), &exif(8, false)].concat();
    let image = &simple[20..20 + u32::from_le_bytes(simple[16..20].try_into().unwrap()) as usize];
    let extended = riff(&[(b"VP8X", &canvas), (b"VP8L", image), (b"EXIF", &prefixed)]);
    assert_eq!(quarters_of(&decoded(&extended)), turned_quarters(8));
}

#[test]
fn a_nonsense_orientation_is_ignored() {
    for orientation in [0, 9, 255] {
        let body = [b"Exif\0\0".as_slice(), &exif(orientation, false)].concat();
        let picture = decoded(&with_segments(&jpeg(), &segment(0xE1, &body)));
        assert!(close(&quarters_of(&picture), &QUARTERS));
    }
}

#[test]
fn what_is_not_a_picture_is_said_to_be_none() {
    assert_eq!(decode(b"", &Limits::default()), Err(DecodeError::Empty));
    let texts: [&[u8]; 11] = [
        b"hello",
        b"BM",
        b"BMW builds cars and motorcycles, among other things",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"GIF88a",
        b"\0\0\0\x1CftypavifJPEG",
        b"II\x2B\0\x08\0\0\0 a BigTIFF",
        b"MM, the letters alone",
        &[0; 4096],
    ];
    for text in texts {
        assert_eq!(decode(text, &Limits::default()), Err(DecodeError::NotAPicture), "{text:?}");
    }
}

#[test]
fn magic_numbers_without_a_picture_are_corrupt() {
    for (name, bytes) in samples() {
        for length in [18, 24, 30] {
            assert!(is_corrupt(&bytes[..length]), "{name} of {length} bytes");
        }
    }
    assert!(is_corrupt(b"\xFF\xD8\xFF"));
    assert!(is_corrupt(b"\xFF\xD8\xFF\xE0 then a <script> and a PK\x03\x04 archive"));
}

#[test]
fn a_picture_that_is_also_something_else_is_a_picture() {
    for (name, bytes) in samples() {
        let polyglot =
            [bytes.as_slice(), b"PK\x03\x04 archive \xFF\xD8\xFF\xDA\0\x02 \x89PNG\r\n\x1A\n"].concat();
        assert_eq!(decode(&polyglot, &Limits::default()), decode(&bytes, &Limits::default()), "{name}");
    }
}

#[test]
fn a_tiff_is_read_in_either_byte_order_and_turned_upright() {
    for big_endian in [false, true] {
        for orientation in 1..=8 {
            let turned = [u32::from(orientation)];
            let fields = fields_with(&STRIP, &[(274, &turned)]);
            let found = quarters_of(&decoded(&tiff(big_endian, &fields, &quarters())));
            assert_eq!(found, turned_quarters(orientation), "{orientation} {big_endian}");
        }
    }
}

#[test]
fn grey_and_planar_tiffs_are_read() {
    let ramp: Vec<u8> = (0..=255).collect();
    let grey = fields_with(&STRIP, &[(258, &[8]), (262, &[1]), (277, &[1]), (279, &[256])]);
    let found = decoded(&tiff(false, &grey, &ramp)).rgb;
    assert!(found.chunks(3).zip(&ramp).all(|(rgb, &expected)| rgb == [expected; 3]));
    // White is zero.
    let inverted = fields_with(&grey, &[(262, &[0])]);
    assert_eq!(decoded(&tiff(false, &inverted, &ramp)).rgb[..3], [255; 3]);
    let planes: Vec<u8> =
        (0..3).flat_map(|c| quarters().pixels().map(|p| p[c]).collect::<Vec<u8>>()).collect();
    let planar = [(273, &[8, 264, 520][..]), (279, &[256, 256, 256]), (284, &[2])];
    let picture = decoded(&tiff(true, &fields_with(&STRIP, &planar), &planes));
    assert_eq!(quarters_of(&picture), QUARTERS);
}

/// What the decoder would take memory for, or show the wrong picture of.
#[test]
fn hostile_tiffs_are_refused() {
    let decode_with = |others: &[(u16, &[u32])]| {
        let fields = fields_with(&TILED, others);
        decode(&tiff(false, &fields, &quarters()), &Limits::default()).unwrap_err()
    };
    let huge = u32::MAX;
    assert!(matches!(decode_with(&[(256, &[huge]), (257, &[huge])]), DecodeError::TooManyPixels { .. }));
    assert!(matches!(decode_with(&[(322, &[huge]), (323, &[huge])]), DecodeError::TooManyPixels { .. }));
    let corrupt: [&[(u16, &[u32])]; 10] = [
        &[(277, &[65_535])],
        &[(258, &[64, 64, 64])],
        &[(256, &[0])],
        &[(322, &[0])],
        // Old and new JPEG.
        &[(259, &[6])],
        &[(259, &[7])],
        // A preview.
        &[(254, &[1])],
        &[(324, &[huge])],
        // Less data than pixels.
        &[(325, &[0])],
        &[(325, &[767])],
    ];
    for others in corrupt {
        assert!(
            matches!(decode_with(others), DecodeError::Corrupt { format: Format::Tiff, .. }),
            "{others:?}"
        );
    }
}

#[test]
fn a_tiff_that_gives_a_size_twice_is_refused() {
    let mut fields = TILED.to_vec();
    fields.push((322, &[40_000]));
    assert!(is_corrupt(&tiff(false, &fields, &quarters())));
    // A tile width in a type that is no number.
    let mut odd = tiff(false, &TILED, &quarters());
    let at = odd.windows(4).rposition(|field| field == [0x42, 0x01, 3, 0]).unwrap();
    odd[at + 2] = 16;
    assert!(is_corrupt(&odd));
}

/// A JPEG of nothing but a frame header.
fn jpeg_claiming(width: u16, height: u16) -> Vec<u8> {
    let (w, h) = (width.to_be_bytes(), height.to_be_bytes());
    let frame = segment(0xC0, &[8, h[0], h[1], w[0], w[1], 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    [b"\xFF\xD8".as_slice(), &frame].concat()
}

fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    let chunks = [png_chunk(b"IHDR", &header), png_chunk(b"IDAT", &[0x78, 0x9C]), png_chunk(b"IEND", &[])];
    [b"\x89PNG\r\n\x1A\n".as_slice(), &chunks.concat()].concat()
}

fn bmp_claiming(width: i32, height: i32) -> Vec<u8> {
    let mut bytes = encoded(&DynamicImage::from(quarters()), ImageFormat::Bmp);
    bytes[18..22].copy_from_slice(&width.to_le_bytes());
    bytes[22..26].copy_from_slice(&height.to_le_bytes());
    bytes
}

fn gif_claiming(screen: [u16; 2], frame: [u16; 2]) -> Vec<u8> {
    let sizes = |sizes: [u16; 2]| sizes.map(u16::to_le_bytes).concat();
    let head = [b"GIF89a".as_slice(), &sizes(screen), &[0x80, 0, 0], &[0; 3], &[255; 3]].concat();
    [head.as_slice(), b"\x2C\0\0\0\0", &sizes(frame), b"\0\x02\x02\x44\x01\0\x3B"].concat()
}

#[test]
fn headers_that_claim_too_much_are_refused_before_the_data() {
    assert!(is_too_large(&jpeg_claiming(65_535, 65_535)));
    assert!(is_too_large(&png_claiming(30_000, 30_000)));
    assert!(is_too_large(&png_claiming(0x7FFF_FFFF, 0x7FFF_FFFF)));
    assert!(is_too_large(&bmp_claiming(i32::MAX, i32::MAX)));
    assert!(is_too_large(&bmp_claiming(60_000, i32::MIN)));
    assert!(is_too_large(&gif_claiming([65_535, 65_535], [1, 1])));
    let lossy = [0, 0, 0, 0x9D, 0x01, 0x2A, 0xFF, 0x3F, 0xFF, 0x3F];
    let lossless = [0x2F, 0xFF, 0xFF, 0xFF, 0x0F];
    let canvas = |flags, side: u8| [flags, 0, 0, 0, side, side, 0, side, side, 0];
    assert!(is_too_large(&riff(&[(b"VP8 ", &lossy)])));
    assert!(is_too_large(&riff(&[(b"VP8L", &lossless)])));
    assert!(is_too_large(&riff(&[(b"VP8X", &canvas(0, 0xFF)), (b"VP8 ", &lossy)])));
    // A small canvas around a large frame, plain and in an animation.
    assert!(is_too_large(&riff(&[(b"VP8X", &canvas(0, 0)), (b"VP8 ", &lossy)])));
    let frame = [[0; 16].as_slice(), b"VP8 \x0A\0\0\0", &lossy].concat();
    let animation = [(b"VP8X", &canvas(2, 0)[..]), (b"ANIM", &[0; 6]), (b"ANMF", &frame)];
    assert!(is_too_large(&riff(&animation)));
}

#[test]
fn a_frame_larger_than_the_screen_of_a_gif_is_refused() {
    let limits = Limits { max_pixels: 1_000_000 };
    let error = decode(&gif_claiming([4, 4], [65_535, 65_535]), &limits).unwrap_err();
    assert!(matches!(error, DecodeError::Corrupt { format: Format::Gif, .. }), "{error}");
}

#[test]
fn pictures_without_pixels_are_corrupt() {
    assert!(is_corrupt(&with_segments(&jpeg_claiming(0, 16), &[])));
    assert!(is_corrupt(&png_claiming(0, 5)));
    assert!(is_corrupt(&bmp_claiming(0, 7)));
    assert!(is_corrupt(&gif_claiming([0, 0], [0, 0])));
}

#[test]
fn the_limit_is_the_last_size_that_is_accepted() {
    for (name, bytes) in samples() {
        let pixels = u64::from(SIDE * SIDE);
        assert!(decode(&bytes, &Limits { max_pixels: pixels }).is_ok(), "{name}");
        let refused = decode(&bytes, &Limits { max_pixels: pixels - 1 });
        let expected = DecodeError::TooManyPixels { width: SIDE, height: SIDE, max_pixels: pixels - 1 };
        assert_eq!(refused, Err(expected), "{name}");
    }
}

#[test]
fn a_bitmap_may_be_stored_from_the_top() {
    let bottom_up = encoded(&DynamicImage::from(quarters()), ImageFormat::Bmp);
    let mut top_down = bottom_up.clone();
    top_down[22..26].copy_from_slice(&(-(SIDE as i32)).to_le_bytes());
    let [a, b, c, d] = QUARTERS;
    assert_eq!(quarters_of(&decoded(&bottom_up)), [a, b, c, d]);
    assert_eq!(quarters_of(&decoded(&top_down)), [c, d, a, b]);
}

#[test]
fn a_jpeg_without_its_end_marker_is_whole() {
    for name in ["cmyk", "ycck", "progressive", "restarts"] {
        let whole = fixture(&format!("quadrants-{name}.jpg"));
        let (start, end) = whole.split_at(whole.len() - 2);
        assert_eq!(end, [0xFF, 0xD9]);
        assert_eq!(decode(start, &Limits::default()), decode(&whole, &Limits::default()), "{name}");
    }
}

/// A picture with enough detail that a byte less shows.
fn detailed_jpeg() -> Vec<u8> {
    let noise: Vec<u8> =
        (0..64 * 64_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode(&noise, 64, 64, ExtendedColorType::L8).unwrap();
    bytes
}

#[test]
fn a_jpeg_that_is_cut_off_is_refused_with_and_without_an_end_marker() {
    let whole = detailed_jpeg();
    assert!(decode(&whole, &Limits::default()).is_ok());
    for length in (2..whole.len() - 16).step_by(7) {
        let cut = [&whole[..length], b"\xFF"].concat();
        assert!(is_corrupt(&cut), "{length} of {} bytes", whole.len());
        let closed = [&whole[..length], b"\xFF\xD9"].concat();
        assert!(is_corrupt(&closed), "{length} of {} bytes and an end marker", whole.len());
    }
}

#[test]
fn a_progressive_jpeg_without_its_last_scans_is_refused() {
    let whole = fixture("quadrants-progressive.jpg");
    let scans: Vec<usize> = (0..whole.len() - 1).filter(|&at| whole[at..at + 2] == [0xFF, 0xDA]).collect();
    assert!(scans.len() > 3);
    for cut in scans {
        assert!(is_corrupt(&whole[..cut]), "cut at {cut}");
    }
}

#[test]
fn other_formats_that_are_cut_in_half_are_refused() {
    for (name, bytes) in samples() {
        assert!(is_corrupt(&bytes[..bytes.len() / 2]), "{name}");
    }
}

#[test]
fn faults_outside_of_the_pixels_do_not_cost_the_picture() {
    let faulty = [
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0too short"),
        segment(0xE2, b"ICC_PROFILE\0\x07\x01no profile"),
        segment(0xED, b"Photoshop 3.0\0"),
        segment(0xFE, &[0xFF; 300]),
        b"some stray bytes".to_vec(),
    ];
    let picture = decoded(&with_segments(&jpeg(), &faulty.concat()));
    assert_eq!(picture, decoded(&jpeg()));
}

/// Coefficients of the greatest category times the greatest quantisation step: more than the decoder's integers hold.
#[test]
fn coefficients_that_overflow_the_decoder_do_not_panic() {
    let mut bytes = Vec::new();
    let halves: Vec<u8> = (0..256).map(|index| if index % 16 < 8 { 0 } else { 255 }).collect();
    JpegEncoder::new_with_quality(&mut bytes, 100).encode(&halves, 16, 16, ExtendedColorType::L8).unwrap();
    let find = |bytes: &[u8], marker| bytes.windows(2).position(|pair| pair == [0xFF, marker]).unwrap();
    let table = segment(0xDB, &[[0x10].as_slice(), &[0xFF; 128]].concat());
    let old = find(&bytes, 0xDB);
    let length = usize::from(u16::from_be_bytes([bytes[old + 2], bytes[old + 3]]));
    bytes.splice(old..old + 2 + length, table);
    let symbols = find(&bytes, 0xC4) + 21;
    bytes[symbols..symbols + 12].fill(15);
    // Either answer is right; that there is one is the point.
    match decode(&bytes, &Limits::default()) {
        Ok(picture) => assert_eq!((picture.width, picture.height), (16, 16)),
        Err(error) => assert!(matches!(error, DecodeError::Corrupt { .. })),
    }
}

#[test]
fn errors_say_what_why_and_what_next() {
    let too_many = decode(&jpeg(), &Limits { max_pixels: 9 }).unwrap_err().to_string();
    assert_eq!(
        too_many,
        "the picture has 16x16 pixels, and at most 9 pixels are allowed: send a smaller one"
    );
    let corrupt = decode(&jpeg()[..40], &Limits::default()).unwrap_err().to_string();
    assert!(corrupt.starts_with("the JPEG picture cannot be decoded ("), "{corrupt}");
}

fn check_answer(bytes: &[u8]) {
    let limits = Limits { max_pixels: 100_000 };
    if let Ok(picture) = decode(bytes, &limits) {
        let pixels = u64::from(picture.width) * u64::from(picture.height);
        assert!((1..=limits.max_pixels).contains(&pixels));
        assert_eq!(picture.rgb.len() as u64, 3 * pixels);
    }
}

#[test]
fn damaged_pictures_get_an_answer_within_the_limits() {
    let samples = samples();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(4000));
    runner
        .run(&damage(), |damage| {
            check_answer(&damage.apply(&samples));
            Ok(())
        })
        .unwrap();
}

proptest! {
    #[test]
    fn any_bytes_behind_a_magic_number_get_an_answer(
        magic in prop::sample::select(vec![&b"\xFF\xD8\xFF"[..], b"\x89PNG\r\n\x1A\n", b"GIF89a", b"RIFF\xFF\0\0\0WEBPVP8X", b"BM", b"II\x2A\0\x08\0\0\0\x09\0"]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        check_answer(&[magic, &rest].concat());
    }

    #[test]
    fn turning_back_and_forth_restores_a_picture(width in 1..80_u32, height in 1..80_u32, orientation in 1..=8_u8) {
        let rgb: Vec<u8> = (0..3 * width * height).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let picture = Picture { width, height, rgb };
        let turn = |picture, orientation| {
            orientation::upright(picture, image::metadata::Orientation::from_exif(orientation).unwrap())
        };
        let back = match orientation { 6 => 8, 8 => 6, same => same };
        prop_assert_eq!(turn(turn(picture.clone(), orientation), back), picture);
    }
}

/// Mean red, green and blue as OpenCV 4.12 and Pillow 13.0 decode these pictures (both to two decimals alike).
const GOLDEN_MEANS: [(&str, [f64; 3]); 4] = [
    ("000000007454.jpg", [113.82, 129.60, 148.54]),
    ("000000161399.jpg", [118.76, 102.79, 89.98]),
    ("000000355340.jpg", [116.77, 141.06, 162.82]),
    ("000000563577.jpg", [132.15, 132.15, 132.15]),
];

#[test]
fn real_pictures_have_the_colours_that_other_decoders_see() {
    for (name, expected) in GOLDEN_MEANS {
        let Some(path) = sightscan_testkit::data(&format!("iweblens/{name}")) else { return };
        let picture = decoded(&fs_err::read(path).unwrap());
        for (channel, expected) in expected.into_iter().enumerate() {
            let sum: u64 = picture.rgb.iter().skip(channel).step_by(3).map(|&value| u64::from(value)).sum();
            let mean = sum as f64 / f64::from(picture.width * picture.height);
            assert!((mean - expected).abs() < 0.5, "{name}, channel {channel}: {mean}");
        }
    }
}

#[test]
fn every_real_picture_decodes() {
    for folder in ["iweblens", "coco/images"] {
        let Some(pictures) = sightscan_testkit::pictures(folder, "jpg") else { return };
        assert_eq!(pictures.len(), 128, "{folder}");
        for path in pictures {
            decoded(&fs_err::read(path).unwrap());
        }
    }
}
