//! The uploads of "Image Recognition as a Service", as its generators and browsers send them.

use reqwest::multipart::{Form, Part};
use sightscan_serve::{Answer, Config, Factory};
use sightscan_testkit::tiny;
use sightscan_types::{ClassScore, Findings, PhaseTimes};

use crate::support::*;

const PATHS: [&str; 6] =
    ["/", "/upload", "/file-upload", "/accept_images", "/classify_image", "/uploadImagesAndGetResults"];

/// Workers that say a picture's size.
pub(crate) fn measuring_workers() -> Factory {
    workers(|work| {
        let picture = sightscan_engine::decode::decode(&work.picture, &Default::default())
            .map_err(sightscan_engine::DetectError::from)?;
        let label = format!("{}x{}", picture.width, picture.height);
        let findings = Findings::Classes(vec![ClassScore { label, confidence: 0.9 }]);
        let (width, height) = (picture.width, picture.height);
        let analysis = sightscan_engine::Analysis { width, height, findings, times: PhaseTimes::default() };
        Ok(Answer { analysis, drawn: None })
    })
}

pub(crate) fn sized(width: u32) -> Vec<u8> {
    tiny::plain_picture([9, 9, 9], width, 2)
}

pub(crate) fn part(name: &str, bytes: Vec<u8>) -> Part {
    Part::bytes(bytes).file_name(name.to_owned())
}

async fn text(server: &Server, path: &str, form: Form) -> (u16, String) {
    let response = server.client.post(server.url(path)).multipart(form).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.text().await.unwrap())
}

#[tokio::test]
async fn i01_the_generator_of_2021_gets_the_label_as_text_on_every_path() {
    let server = Server::ready_with(Config::default(), measuring_workers()).await;
    for path in PATHS {
        let form = Form::new().part("myfile", part("test_0.JPEG", sized(7)));
        assert_eq!(text(&server, path, form).await, (200, "7x2".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn i02_the_generator_of_2024_gets_name_and_label() {
    let server = Server::ready_with(Config::default(), measuring_workers()).await;
    let form = Form::new().part("inputFile", part("test_00.jpg", sized(8)));
    assert_eq!(text(&server, "/", form).await, (200, "test_00:8x2".to_owned()));
    for field in ["image", "file"] {
        let form = Form::new().text("other", "ignored").part(field, part("a.jpg", sized(3)));
        assert_eq!(text(&server, "/", form).await, (200, "3x2".to_owned()), "{field}");
    }
}

#[tokio::test]
async fn a_detectors_label_is_its_best_box_and_nothing_where_there_is_none() {
    let server = Server::tiny(Config::default()).await;
    let form = Form::new().part("myfile", part("a.png", picture()));
    assert_eq!(text(&server, "/", form).await, (200, tiny::COLOUR_BOX_CLASS.to_owned()));
    let black = tiny::plain_picture([0, 0, 0], 4, 4);
    let form = Form::new().part("inputFile", part("dark.png", black));
    assert_eq!(text(&server, "/", form).await, (200, "dark:nothing".to_owned()));
}

#[tokio::test]
async fn i03_browsers_get_a_form_without_javascript_and_a_page_whose_names_are_text() {
    let server = Server::ready_with(Config::default(), measuring_workers()).await;
    let form = server.get("/").await;
    assert_eq!(form.headers()["content-type"], "text/html; charset=utf-8");
    let policy = form.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let form = form.text().await.unwrap();
    for needed in
        ["<form method=\"post\" action=\"/\" enctype=\"multipart/form-data\"", "name=\"myfile\"", "multiple"]
    {
        assert!(form.contains(needed), "{form}");
    }
    // Where the program has the app in it, the form is what is there without scripts.
    let is_without_script = form.find("<noscript>").is_some_and(|at| Some(at) < form.find("<form"));
    assert!(!form.contains("<script") || is_without_script, "{form}");
    let pictures = Form::new()
        .part("myfile", part("<script>alert(1)</script>.png", sized(5)))
        .part("myfile", part("b.png", sized(6)))
        .part("myfile", part("broken.png", b"no picture".to_vec()));
    let request =
        server.client.post(server.url("/")).header("accept", "text/html,*/*;q=0.8").multipart(pictures);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let page = response.text().await.unwrap();
    for needed in ["5x2", "6x2", "b.png", "broken.png", "not a picture"] {
        assert!(page.to_lowercase().contains(needed), "{needed} is not in {page}");
    }
    assert!(!page.contains("<script"), "{page}");
}

#[tokio::test]
async fn several_pictures_are_one_line_each() {
    let server = Server::ready_with(Config::default(), measuring_workers()).await;
    let form = Form::new().part("myfile", part("a.png", sized(5))).part("myfile", part("b.png", sized(6)));
    assert_eq!(text(&server, "/", form).await, (200, "a.png:5x2\nb.png:6x2".to_owned()));
}

#[tokio::test]
async fn what_is_no_upload_is_told() {
    let server =
        Server::ready_with(Config { max_pictures: 2, ..Config::default() }, measuring_workers()).await;
    let send = async |form: Form| {
        problem(server.client.post(server.url("/")).multipart(form).send().await.unwrap()).await
    };
    assert_eq!(send(Form::new().part("photo", part("a.png", sized(5)))).await, (400, "malformed".into()));
    assert_eq!(send(Form::new().part("myfile", part("", Vec::new()))).await, (400, "malformed".into()));
    assert_eq!(
        send(Form::new().part("myfile", part("a", b"text".to_vec()))).await,
        (415, "not-a-picture".into())
    );
    let three = (0..3).fold(Form::new(), |form, _| form.part("file", part("a.png", sized(5))));
    assert_eq!(send(three).await, (413, "too-many-pictures".into()));
    let plain = server.post("/", "image/png", sized(5)).await;
    assert_eq!(problem(plain).await, (415, "unsupported-media-type".into()));
}
