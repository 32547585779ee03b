use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, DynamicImage, Frame, ImageFormat, RgbaImage};
use proptest::prelude::*;

use super::*;
use crate::decode::{Picture, decode};
use crate::samples::*;

const SECRET: &[u8] = b"48.8584 N, 2.2945 E";

fn decoded(bytes: &[u8]) -> Picture {
    decode(bytes, &Limits::default()).unwrap()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The stripped file, after the checks that hold for each.
fn stripped(bytes: &[u8]) -> Vec<u8> {
    let stripped = strip_metadata(bytes).unwrap();
    assert!(!holds(&stripped, SECRET));
    assert_eq!(crate::sniff(&stripped), crate::sniff(bytes));
    assert_eq!(decoded(&stripped), decoded(bytes));
    assert_eq!(strip_metadata(&stripped).as_ref(), Ok(&stripped));
    stripped
}

/// Exif data with an orientation and, behind it, something that nobody should know.
fn telling_exif(orientation: u8) -> Vec<u8> {
    [exif(orientation, false).as_slice(), SECRET].concat()
}

fn exif_segment(orientation: u8) -> Vec<u8> {
    segment(0xE1, &[b"Exif\0\0".as_slice(), &telling_exif(orientation)].concat())
}

fn with_chunks(png: &[u8], chunks: &[u8]) -> Vec<u8> {
    [&png[..33], chunks, &png[33..]].concat()
}

#[test]
fn every_kind_of_picture_keeps_its_pixels_and_loses_what_follows() {
    for (name, bytes) in samples() {
        let clean = stripped(&bytes);
        assert_eq!(stripped(&[bytes.as_slice(), SECRET].concat()), clean, "{name}");
    }
}

#[test]
fn a_jpeg_loses_all_but_what_shows_it() {
    let secret = |marker, prefix: &[u8]| segment(marker, &[prefix, SECRET].concat());
    let thumbnail = [b"JFXX\0\x10", SECRET].concat();
    let segments = [
        segment(0xE0, &thumbnail),
        exif_segment(1),
        secret(0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
        secret(0xE2, b"MPF\0"),
        secret(0xED, b"Photoshop 3.0\0"),
        secret(0xEF, b"maker"),
        secret(0xEE, b"Adobe\0\x64\0\0\0\0\x01"),
        secret(0xFE, b""),
        SECRET.to_vec(),
    ];
    let clean = stripped(&with_segments(&jpeg(), &segments.concat()));
    assert!(clean.len() <= jpeg().len() + 16, "{} of {}", clean.len(), jpeg().len());
    assert!(!holds(&clean, b"Exif"));
}

#[test]
fn the_thumbnail_in_a_jfif_header_goes() {
    let header = [b"JFIF\0\x01\x02\0\0\x01\0\x01\x02\x02".as_slice(), SECRET].concat();
    let plain = jpeg();
    assert!(holds(&plain, b"JFIF"));
    let own = 4 + usize::from(plain[5]) - 2;
    let bytes = with_segments(&[&plain[..2], &plain[own..]].concat(), &segment(0xE0, &header));
    assert!(holds(&stripped(&bytes), b"\x00\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0"));
}

#[test]
fn colour_profiles_stay() {
    let profile = b"a profile of enough bytes";
    let icc = [b"ICC_PROFILE\0\x01\x01".as_slice(), profile].concat();
    assert!(holds(&stripped(&with_segments(&jpeg(), &segment(0xE2, &icc))), &icc));
    assert!(holds(&stripped(&fixture("quadrants-cmyk.jpg")), b"Adobe"));
    let png = encoded(&quarters().into(), ImageFormat::Png);
    let chunks =
        [png_chunk(b"gAMA", &45_455_u32.to_be_bytes()), png_chunk(b"pHYs", &[0, 0, 9, 9, 0, 0, 9, 9, 1])];
    assert!(holds(&stripped(&with_chunks(&png, &chunks.concat())), &chunks.concat()));
    let mut fields = fields_with(&STRIP, &[]);
    let numbers: Vec<u32> = profile.iter().map(|&byte| u32::from(byte)).collect();
    fields.push((34_675, &numbers));
    assert!(holds(&stripped(&tiff(false, &fields, &quarters())), b"a\0 \0p\0r\0o\0f\0i\0l\0e\0"));
}

#[test]
fn a_png_loses_texts_times_and_unknown_chunks() {
    let png = encoded(&quarters().into(), ImageFormat::Png);
    let names = [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"caBX", b"vpAg"];
    let chunks: Vec<u8> = names.iter().flat_map(|name| png_chunk(name, SECRET)).collect();
    assert_eq!(stripped(&with_chunks(&png, &chunks)), stripped(&png));
}

#[test]
fn a_webp_loses_exif_xmp_and_unknown_chunks_and_the_flags_agree() {
    let simple = encoded(&quarters().into(), ImageFormat::WebP);
    let image = &simple[20..20 + u32::from_le_bytes(simple[16..20].try_into().unwrap()) as usize];
    let canvas = |flags| [flags, 0, 0, 0, 15, 0, 0, 15, 0, 0];
    let chunks = [(b"VP8X", &canvas(0x2C)[..]), (b"ICCP", b"prof"), (b"VP8L", image)];
    let bytes =
        riff(&[&chunks[..], &[(b"EXIF", &telling_exif(1)), (b"XMP ", SECRET), (b"what", SECRET)]].concat());
    let clean = [(b"VP8X", &canvas(0x20)[..]), (b"ICCP", b"prof"), (b"VP8L", image)];
    assert_eq!(stripped(&bytes), riff(&clean));
}

#[test]
fn orientations_stay_and_nothing_else_of_the_exif_data() {
    let png = encoded(&quarters().into(), ImageFormat::Png);
    let simple = encoded(&quarters().into(), ImageFormat::WebP);
    let image = &simple[20..20 + u32::from_le_bytes(simple[16..20].try_into().unwrap()) as usize];
    for orientation in 2..=8 {
        let told = telling_exif(orientation);
        let files = [
            with_segments(&jpeg(), &exif_segment(orientation)),
            with_chunks(&png, &png_chunk(b"eXIf", &told)),
            riff(&[(b"VP8X", &[8, 0, 0, 0, 15, 0, 0, 15, 0, 0]), (b"VP8L", image), (b"EXIF", &told)]),
        ];
        for file in files {
            let clean = stripped(&file);
            assert!(holds(&clean, &exif(orientation, true)));
            assert_ne!(decoded(&clean), decoded(&jpeg()));
        }
        let turned = [u32::from(orientation)];
        stripped(&tiff(true, &fields_with(&TILED, &[(274, &turned)]), &quarters()));
    }
}

fn gif_frames(bytes: &[u8]) -> Vec<Frame> {
    GifDecoder::new(std::io::Cursor::new(bytes)).unwrap().into_frames().collect_frames().unwrap()
}

fn same_frames(found: &[Frame], expected: &[Frame]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(a, b)| a.buffer() == b.buffer() && a.delay() == b.delay())
}

#[test]
fn a_gif_keeps_its_animation_and_loses_comments_and_unknown_applications() {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for picture in [DynamicImage::from(quarters()).to_rgba8(), RgbaImage::new(SIDE, SIDE)] {
        let delay = image::Delay::from_numer_denom_ms(70, 1);
        encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    let loops = bytes.windows(11).position(|name| name == b"NETSCAPE2.0").unwrap() - 3;
    let length = SECRET.len() as u8;
    let extension = |head: &[u8]| [head, &[length], SECRET, &[0]].concat();
    let extensions = [
        extension(b"\x21\xFE"),
        extension(b"\x21\xFF\x0BXMP DataXMP"),
        extension(b"\x21\x01\x0C\0\0\0\0\x10\0\x10\0\x08\x08\x01\0"),
    ];
    let told = [&bytes[..loops], &extensions.concat(), &bytes[loops..]].concat();
    let clean = stripped(&told);
    assert_eq!(clean, bytes);
    assert!(same_frames(&gif_frames(&clean), &gif_frames(&bytes)) && gif_frames(&clean).len() == 2);
}

#[test]
fn an_animated_webp_keeps_its_frames_and_loses_what_hides_in_them() {
    let bytes = fixture("quadrants-animated.webp");
    let frames = |bytes: &[u8]| {
        let decoder = WebPDecoder::new(std::io::Cursor::new(bytes.to_vec())).unwrap();
        decoder.into_frames().collect_frames().unwrap()
    };
    let at = bytes.windows(4).position(|name| name == b"ANMF").unwrap();
    let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    let (start, end) = (at + 8, at + 8 + length + length % 2);
    let hidden = [b"what\x13\0\0\0", SECRET, &[0]].concat();
    let frame = [&bytes[start..end], &hidden].concat();
    let mut told =
        [&bytes[..at + 4], &(frame.len() as u32).to_le_bytes()[..], &frame, &bytes[end..]].concat();
    let size = told.len() as u32 - 8;
    told[4..8].copy_from_slice(&size.to_le_bytes());
    assert_eq!(stripped(&told), stripped(&bytes));
    assert!(same_frames(&frames(&stripped(&told)), &frames(&bytes)));
}

/// What stays of such a frame is too little for the decoder, which reads the file as it was.
#[test]
fn an_animated_webp_with_an_empty_frame_is_refused() {
    let mut bytes = fixture("quadrants-animated.webp");
    let last = bytes.windows(4).rposition(|name| name == b"VP8L").unwrap();
    bytes[last] = 0;
    assert!(decode(&bytes, &Limits::default()).is_ok());
    assert!(matches!(strip_metadata(&bytes), Err(DecodeError::Corrupt { format: Format::WebP, .. })));
}

#[test]
fn the_chunks_of_an_animated_png_stay() {
    let png = encoded(&quarters().into(), ImageFormat::Png);
    let control = [0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 10, 0, 0];
    let head = [png_chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]), png_chunk(b"fcTL", &control)].concat();
    let animated = with_chunks(&png, &head);
    let told = with_chunks(&animated, &png_chunk(b"tEXt", SECRET));
    assert_eq!(stripped(&told), animated);
}

#[test]
fn a_bitmap_keeps_all_up_to_its_end() {
    let bytes = encoded(&quarters().into(), ImageFormat::Bmp);
    assert_eq!(stripped(&[bytes.as_slice(), SECRET].concat()), bytes);
    // Two rows of run lengths: three pixels of colour 1; then three as they are, with a byte to make them even.
    let mut packed =
        b"BM\0\0\0\0\0\0\0\0\x3E\0\0\0\x28\0\0\0\x03\0\0\0\x02\0\0\0\x01\0\x08\0\x01\0\0\0".to_vec();
    packed.resize(46, 0);
    packed.extend(b"\x02\0\0\0\0\0\0\0\0\0\0\0\xC8\x64\x32\0");
    packed.extend(b"\x03\x01\0\0\0\x03\x01\0\x01\0\0\x01");
    let length = packed.len();
    assert_eq!(stripped(&[packed.as_slice(), SECRET].concat()).len(), length);
}

#[test]
fn a_tiff_keeps_one_page_and_the_fields_that_matter() {
    let secret: Vec<u32> = SECRET.iter().map(|&byte| u32::from(byte)).collect();
    let tags = [270, 271, 305, 315, 700, 33_432, 33_723, 34_665, 34_853, 65_000];
    let telling: Vec<(u16, &[u32])> = tags.iter().map(|&tag| (tag, &secret[..])).collect();
    for base in [&STRIP[..], &TILED] {
        let told = tiff(false, &fields_with(base, &telling), &quarters());
        assert_eq!(stripped(&told), stripped(&tiff(false, base, &quarters())));
    }
}

#[test]
fn a_tiff_whose_strips_lie_on_each_other_does_not_grow() {
    let places = vec![8; 1000];
    let sizes = vec![768; 1000];
    let fields = fields_with(&STRIP, &[(273, &places), (278, &[1]), (279, &sizes)]);
    let strips = tiff(false, &fields, &quarters());
    // A profile in a field whose values are the image data, claimed by other fields too.
    let mut values = tiff(false, &fields_with(&STRIP, &[(301, &[8; 300]), (34_675, &[8; 300])]), &quarters());
    let field = values.windows(4).rposition(|field| field == [0x73, 0x87, 3, 0]).unwrap();
    values[field + 4..field + 12].copy_from_slice(&[0xBC, 2, 0, 0, 8, 0, 0, 0]);
    for bytes in [strips, values] {
        assert!(matches!(strip_metadata(&bytes), Err(DecodeError::Corrupt { format: Format::Tiff, .. })));
    }
}

#[test]
fn what_is_no_picture_is_refused() {
    assert_eq!(strip_metadata(b""), Err(DecodeError::Empty));
    assert_eq!(strip_metadata(b"hello"), Err(DecodeError::NotAPicture));
    for (name, bytes) in samples().into_iter().filter(|(name, _)| !name.ends_with("bmp")) {
        let cut = strip_metadata(&bytes[..24]);
        assert!(matches!(cut, Err(DecodeError::Corrupt { .. })), "{name}");
    }
}

/// Whatever still decodes is stripped to the same pixels, once and for all.
fn check(bytes: &[u8]) {
    let limits = Limits { max_pixels: 100_000 };
    let stripped = strip_metadata(bytes);
    if let Ok(stripped) = &stripped {
        assert!(stripped.len() <= 2 * bytes.len() + 64, "{} of {}", stripped.len(), bytes.len());
    }
    if let (Ok(picture), Ok(stripped)) = (decode(bytes, &limits), stripped) {
        assert!(decode(&stripped, &limits).as_ref() == Ok(&picture), "other pixels: {bytes:02X?}");
        assert!(strip_metadata(&stripped).as_ref() == Ok(&stripped), "stripped again: {bytes:02X?}");
    }
}

#[test]
fn damaged_pictures_keep_their_pixels_or_are_refused() {
    let samples = samples();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(4000));
    runner
        .run(&damage(), |damage| {
            check(&damage.apply(&samples));
            Ok(())
        })
        .unwrap();
}

proptest! {
    #[test]
    fn any_bytes_behind_a_magic_number_get_an_answer(
        magic in prop::sample::select(vec![
            &b"\xFF\xD8\xFF"[..], b"\x89PNG\r\n\x1A\n", b"GIF89a", b"RIFF\xFF\0\0\0WEBPVP8X", b"BM\0\0\0\0\0\0\0\0\x3E\0\0\0\x28\0\0\0",
            b"II\x2A\0\x08\0\0\0\x09\0",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        check(&[magic, &rest].concat());
    }
}
