//! Inputs made to break something: each is answered by 4xx, and the next request is fine.

use serde_json::json;
use sightscan_serve::Config;
use sightscan_testkit::tiny;

use crate::support::*;

const FORM: &str = "multipart/form-data; boundary=b";
const JSON: &str = "application/json";
const RAW: &str = "application/octet-stream";
const V1: &str = "/v1/detect";

struct Case {
    name: String,
    path: String,
    media_type: &'static str,
    body: Vec<u8>,
}

fn case(
    name: impl Into<String>,
    path: impl Into<String>,
    media_type: &'static str,
    body: impl Into<Vec<u8>>,
) -> Case {
    Case { name: name.into(), path: path.into(), media_type, body: body.into() }
}

/// Numbers that look random and are the same in every run (SplitMix64; Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// One picture in each of the three forms that carry pictures.
fn in_all_forms(name: &str, picture: &[u8]) -> Vec<Case> {
    let form = [b"--b\r\ncontent-disposition: form-data; name=\"image\"\r\n\r\n", picture, b"\r\n--b--\r\n"]
        .concat();
    vec![
        case(format!("{name}, raw"), V1, RAW, picture),
        case(format!("{name}, form"), COURSE, FORM, form),
        case(format!("{name}, JSON"), COURSE, JSON, json!({"image": encoded(picture)}).to_string()),
    ]
}

fn noisy_png() -> Vec<u8> {
    let rgb = Random(1).bytes(3 * 40 * 40);
    let picture = sightscan_engine::Picture { width: 40, height: 40, rgb };
    sightscan_engine::annotate::encode(&picture, sightscan_engine::annotate::Encoding::Png).unwrap()
}

fn noisy_jpeg() -> Vec<u8> {
    let rgb = Random(2).bytes(3 * 40 * 40);
    let picture = sightscan_engine::Picture { width: 40, height: 40, rgb };
    sightscan_engine::annotate::encode(&picture, sightscan_engine::annotate::Encoding::Jpeg).unwrap()
}

fn truncated() -> Vec<Case> {
    let files = [("PNG", noisy_png()), ("JPEG", noisy_jpeg()), ("GIF", animated_gif())];
    let mut cases = Vec::new();
    for (format, file) in files {
        for tenth in 1..9 {
            let part = &file[..file.len() * tenth / 10];
            // A GIF of two frames is whole with its first one.
            if format != "GIF" || tenth < 5 {
                cases.extend(in_all_forms(&format!("{tenth} tenths of a {format}"), part));
            }
        }
    }
    cases
}

/// Headers that claim more pixels than memory has.
fn bombs() -> Vec<Case> {
    let side = 65_535u16;
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend(u32::from(side).to_be_bytes().repeat(2));
    png.extend(b"\x08\x02\0\0\0");
    let crc = crc32(&png[12..]);
    png.extend(crc.to_be_bytes());
    let gif = [b"GIF89a", &side.to_le_bytes()[..], &side.to_le_bytes(), b"\0\0\0,\0\0\0\0"].concat();
    let jpeg = [
        b"\xff\xd8\xff\xc0\x00\x11\x08",
        &side.to_be_bytes()[..],
        &side.to_be_bytes(),
        b"\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00",
    ]
    .concat();
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend(i32::MAX.to_le_bytes().repeat(2));
    bmp.extend(b"\x01\0\x18\0");
    bmp.resize(54, 0);
    let webp = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0".to_vec();
    let thin = tiny::plain_picture([1, 2, 3], 1, 1);
    let bombs = [("PNG", png), ("GIF", gif), ("JPEG", jpeg), ("BMP", bmp), ("WebP", webp)];
    let cut = in_all_forms("a PNG cut after its header", &thin[..33]);
    bombs.iter().flat_map(|(format, file)| in_all_forms(&format!("{format} bomb"), file)).chain(cut).collect()
}

/// The checksum of PNG chunks (W3C PNG, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn noise() -> Vec<Case> {
    let mut random = Random(3);
    let starts: [(&str, &[u8]); 6] = [
        ("nothing", b""),
        ("JPEG", b"\xff\xd8\xff\xe0"),
        ("PNG", b"\x89PNG\r\n\x1a\n"),
        ("WebP", b"RIFF\xff\xff\0\0WEBPVP8 "),
        ("BMP", b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
        ("other WebP", b"RIFF\xff\xff\0\0WEBPVP8L"),
    ];
    let mut cases = Vec::new();
    for (name, start) in starts {
        for length in [1, 7, 64, 500, 4000] {
            let body = [start, &random.bytes(length)].concat();
            cases.extend(in_all_forms(&format!("{length} bytes of noise after {name}"), &body));
        }
    }
    cases
}

fn other_files() -> Vec<Case> {
    let files: [(&str, &[u8]); 9] = [
        ("zeros", &[0; 5000]),
        ("HTML", b"<!doctype html><img src=x onerror=alert(1)>"),
        ("SVG", b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>"),
        ("PDF", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"),
        ("ELF", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("ZIP", b"PK\x03\x04\x14\0\0\0\0\0"),
        ("a GIF that is a script", b"GIF89a=0;alert(document.domain);//"),
        ("a JPEG that is a page", b"\xff\xd8\xff<html><script>alert(1)</script>"),
        ("text that begins with BM", b"BM is the beginning of this text, which is no bitmap at all"),
    ];
    files.iter().flat_map(|(name, file)| in_all_forms(name, file)).collect()
}

fn json_cases() -> Vec<Case> {
    let bodies = [
        "",
        " ",
        "null",
        "true",
        "5",
        "[]",
        "{}",
        "\"\"",
        "\"{}\"",
        "\"[1]\"",
        "{",
        "{\"image\"",
        "{\"image\":",
        "{\"image\":\"",
        "{\"image\":5}",
        "{\"image\":null}",
        "{\"image\":[]}",
        "{\"image\":{}}",
        "{\"image\":\"\"}",
        "{\"image\":\"=\"}",
        "{\"image\":\"A\"}",
        "{\"image\":\"AAA\"}",
        "{\"image\":\"A===\"}",
        "{\"image\":\"!!!!\"}",
        "{\"image\":\"AAAA\\u0000\"}",
        "{\"image\":\"\\ud800\"}",
        "{\"image\":\"data:,\"}",
        "{\"image\":\"/9j/4A\"}",
        "{\"image\":\"AAAA\",\"image\":\"AAAA\"}",
        "{\"image\":\"AAAA\"}x",
        "{'image':'AAAA'}",
        "\"\\\"{}\\\"\"",
        "{\"images\":[{}]}",
        "{\"images\":{}}",
        "\u{feff}{}",
        "{\"image\":1e999}",
        "{\"image\":\"AAAA\",}",
    ];
    let named = |path: &'static str| move |body: &&str| case(format!("JSON {body}"), path, JSON, *body);
    let mut cases: Vec<Case> = bodies.iter().map(named(COURSE)).chain(bodies.iter().map(named(V1))).collect();
    for path in [COURSE, V1] {
        for depth in [200, 10_000, 1_000_000] {
            cases.push(case(format!("arrays {depth} deep"), path, JSON, "[".repeat(depth)));
            cases.push(case(format!("objects {depth} deep"), path, JSON, "{\"id\":".repeat(depth)));
        }
        cases.push(case("JSON that is not UTF-8", path, JSON, b"{\"image\":\"\xff\xfe\"}".to_vec()));
        cases.push(case("a million digits", path, JSON, "9".repeat(1_000_000)));
        cases.push(case("a string of a megabyte", path, JSON, format!("\"{}\"", "x".repeat(1 << 20))));
    }
    cases
}

fn form_cases() -> Vec<Case> {
    let part = "--b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"x.jpg\"\r\n\r\n";
    let many =
        "--b\r\ncontent-disposition: form-data; name=\"image\"\r\n\r\nx\r\n".repeat(5000) + "--b--\r\n";
    let head = format!(
        "--b\r\ncontent-disposition: form-data; name=\"image\"\r\nx: {}\r\n\r\nx\r\n--b--",
        "y".repeat(100_000)
    );
    let bodies = [
        ("empty", String::new()),
        ("only its end", "--b--\r\n".into()),
        ("another boundary", "--c\r\n\r\nx\r\n--c--\r\n".into()),
        ("a part without an end", format!("{part}x")),
        ("a part without a body", format!("{part}\r\n--b--\r\n")),
        ("a part without a head", "--b\r\n\r\nx\r\n--b--\r\n".into()),
        ("a part without a name", "--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--\r\n".into()),
        ("text in the part", format!("{part}hello\r\n--b--\r\n")),
        ("boundaries only", "--b\r\n".repeat(10_000)),
        ("thousands of parts", many),
        ("a huge head", head),
        ("a path as file name", part.replace("x.jpg", "../../etc/passwd") + "x\r\n--b--\r\n"),
    ];
    let mut cases: Vec<Case> = Vec::new();
    for path in [COURSE, V1] {
        let named =
            bodies.iter().map(|(name, body)| case(format!("form: {name}"), path, FORM, body.as_bytes()));
        cases.extend(named);
        cases.push(case("form without boundary", path, "multipart/form-data", b"x".as_slice()));
        cases.push(case(
            "form with an empty boundary",
            path,
            "multipart/form-data; boundary=",
            b"x".as_slice(),
        ));
    }
    cases
}

fn query_cases() -> Vec<Case> {
    let queries = [
        "confidence=2",
        "confidence=-1",
        "confidence=NaN",
        "confidence=inf",
        "confidence=",
        "confidence=abc",
        "iou=1.5",
        "agnostic=maybe",
        "nosuchkey=1",
        "confidence=0.5&confidence=0.6",
        "%ff=%ff",
        "=",
        "confidence[]=0.5",
    ];
    let of_v1 = [
        "max=0",
        "max=-1",
        "max=99999999999999999999",
        "classes=unicorn",
        "model=..%2f..%2fetc",
        "annotate=svg",
    ];
    let both = queries.iter().flat_map(|query| [(COURSE, query), (V1, query)]);
    let all = both.chain(of_v1.iter().map(|query| (V1, query)));
    all.map(|(path, query)| case(format!("query {query}"), format!("{path}?{query}"), RAW, picture()))
        .collect()
}

/// Two frames of one pixel each (GIF89a specification).
fn animated_gif() -> Vec<u8> {
    let frame = b"\x21\xf9\x04\0\x0a\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    [b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".as_slice(), frame, frame, b";"].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_inputs_are_answered_by_4xx_and_the_next_request_is_fine() {
    let server = Server::tiny(Config::default()).await;
    let groups = [truncated(), bombs(), noise(), other_files(), json_cases(), form_cases(), query_cases()];
    let cases: Vec<Case> = groups.into_iter().flatten().collect();
    assert!(cases.len() >= 200, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for Case { name, path, media_type, body } in cases {
        let response = server.post(&path, media_type, body).await;
        let status = response.status();
        if !status.is_client_error() || status == 429 {
            wrong.push(format!("{name} at {path}: {status} {}", response.text().await.unwrap()));
            continue;
        }
        problem(response).await;
        let next = server.v1("", picture()).await;
        assert_eq!(next["detections"].as_array().unwrap().len(), 1, "after {name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(server.metric("sightscan_worker_panics_total").await, 0.0);
    assert_eq!(server.metric("sightscan_pictures_in_flight").await, 0.0);
}

#[tokio::test]
async fn an_animation_is_its_first_frame() {
    let server = Server::tiny(Config::default()).await;
    let answer = server.v1("", animated_gif()).await;
    assert_eq!((answer["width"].as_u64(), answer["height"].as_u64()), (Some(1), Some(1)));
}

#[tokio::test]
async fn what_follows_a_picture_does_not_matter() {
    let server = Server::tiny(Config::default()).await;
    let polyglot = [picture(), b"PK\x03\x04<script>alert(1)</script>".to_vec()].concat();
    assert_eq!(server.v1("", polyglot).await["detections"], server.v1("", picture()).await["detections"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_method_without_failing() {
    let server = Server::tiny(Config::default()).await;
    for path in [
        COURSE,
        V1,
        "/v1/models",
        "/v1/models/x",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs/",
        "/docs/nothing",
        "/v1/models/%ff",
        "/%00",
        "/..%2f",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "NONSENSE"] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let response = server.client.request(method.clone(), server.url(path)).send().await.unwrap();
            let status = response.status();
            assert!(status.as_u16() < 500, "{method} {path}: {status}");
            if status.is_client_error() && method != reqwest::Method::HEAD {
                problem(response).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_body_is_refused_and_its_sender_reads_why() {
    let server = Server::tiny(Config::default()).await;
    let address = server.address();
    let answer = tokio::task::spawn_blocking(move || {
        send_all_then_read(address, &raw_request(V1, "", &vec![0; (32 << 20) + 1])).unwrap()
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body-too-large"), "{answer}");
}
