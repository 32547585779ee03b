//! No answer belongs to another request.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use sightscan_serve::Config;
use sightscan_testkit::{pictures, scale, tiny};

use crate::support::*;

const CLIENTS: usize = 32;
const REQUESTS: f64 = 64_000.0;
const SIDE: u32 = 16;

/// Asks with a picture that only this request has, and checks that the answer tells its colour.
async fn ask(server: &Server, number: usize) {
    let [_, high, middle, low] = (number as u32).to_be_bytes();
    let colour = [middle, low, 128 + high];
    let answer = server.v1("", tiny::plain_picture(colour, SIDE, SIDE)).await;
    let detections = answer["detections"].as_array().unwrap();
    if colour[0] == 0 || colour[1] == 0 {
        // A box without an area is none.
        assert!(detections.is_empty(), "{answer}");
        return;
    }
    let share = |value: &serde_json::Value, whole: u32| value.as_f64().unwrap() / f64::from(whole) * 255.0;
    let found = &detections[0];
    let seen = [
        share(&found["box"]["width"], SIDE),
        share(&found["box"]["height"], SIDE),
        share(&found["confidence"], 1),
    ];
    let same = seen.iter().zip(colour).all(|(seen, sent)| (seen - f64::from(sent)).abs() < 0.1);
    assert!(same, "sent {colour:?}, got {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_belongs_to_another_request() {
    let server = Arc::new(Server::tiny(Config::default()).await);
    let each = (REQUESTS * scale()) as usize / CLIENTS;
    let client = |number: usize| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            for request in 0..each {
                ask(&server, number * each + request).await;
            }
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    for client in clients {
        client.await.unwrap();
    }
    let answered = server.metric(r#"sightscan_http_requests_total{route="/v1/detect",outcome="ok"}"#).await;
    assert_eq!(answered, (each * CLIENTS) as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_one_request_keep_their_order_and_names() {
    let server = Server::tiny(Config::default()).await;
    let reds = [40u8, 80, 120, 160, 200, 240];
    let named = |red: &u8| {
        let picture = encoded(&tiny::plain_picture([*red, 255, 255], SIDE, SIDE));
        serde_json::json!({"name": format!("red {red}"), "image": picture})
    };
    let images: Vec<_> = reds.iter().map(named).collect();
    let body = serde_json::json!({ "images": images }).to_string();
    let answer = ok_json(server.post("/v1/detect", "application/json", body).await).await;
    for (red, report) in reds.iter().zip(answer.as_array().unwrap()) {
        assert_eq!(report["image"], format!("red {red}"));
        let width = report["detections"][0]["box"]["width"].as_f64().unwrap();
        assert!((width - f64::from(SIDE) * f64::from(*red) / 255.0).abs() < 0.01, "{report}");
    }
}

/// How often the real network is asked in all, and by how many clients at once.
const REAL_REQUESTS: f64 = 2000.0;

#[tokio::test(flavor = "multi_thread")]
async fn the_real_network_mixes_nothing_up_either() {
    let Some(server) = Server::real(Config::default()).await else { return };
    let Some(paths) = pictures("iweblens", "jpg") else { return };
    let files: Vec<Vec<u8>> = paths[..CLIENTS].iter().map(|path| fs_err::read(path).unwrap()).collect();
    let mut alone = Vec::new();
    for file in &files {
        alone.push(server.course("", file).await["objects"].clone());
    }
    let distinct: HashSet<String> = alone.iter().map(ToString::to_string).collect();
    assert!(distinct.len() > CLIENTS - 4, "the pictures are too much alike to tell answers apart");
    let ask = async |number: usize| {
        let which = number % CLIENTS;
        server.course("", &files[which]).await["objects"] == alone[which]
    };
    let requests = (REAL_REQUESTS * scale()) as usize;
    let same: Vec<bool> = stream::iter(0..requests).map(ask).buffer_unordered(CLIENTS).collect().await;
    assert!(same.len() == requests && same.into_iter().all(|same| same));
}
