//! The labelling service's routes, asked as the original's data mart refresher and its operators ask.

use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CityName, CityState, ImageId, Producer, ProducerKind, RelativeBox, Stage};
use sightscan_warehouse::cities::{self, Step};
use sightscan_warehouse::labels::{self, LabelledBox, NewLabel};

use crate::support::{Listener, Site, TOKEN, problem};

const OK: &str = "Request successfully executed.";

on_both_engines![
    row_19_w_p5_a_new_city_is_labelled_once_however_often_it_is_asked_for,
    row_24_w_c6_pictures_that_came_after_the_first_labels_are_labelled,
    row_25_the_log_begins_with_logs_and_tells_what_was_done,
    row_26_the_descriptions_are_there,
    row_47_the_index_says_that_the_service_is_there,
    w_c7_a_city_with_nothing_to_label_starts_nothing,
    w_c19_a_database_that_is_gone_is_not_a_success,
    w_c37_unknown_paused_and_rejected_cities_are_told,
    w_c38_types_are_types_and_not_statuses,
    w_p10_the_log_is_not_for_everybody,
    w_s2_hostile_names_are_names,
    w_s5_only_this_machine_and_the_administrator_are_answered,
    what_is_asked_for_again_goes_on_after_a_failure,
];

async fn service(test: TestDatabase) -> (Site, Listener) {
    let site = Site::start(test).await;
    let service = site.labelling().await;
    (site, service)
}

async fn get(service: &Listener, path: &str) -> Response {
    service.request(Method::GET, path).send().await.unwrap()
}

async fn post(service: &Listener, path: &str) -> Response {
    service.request(Method::POST, path).send().await.unwrap()
}

async fn said(answer: Response) -> (u16, String) {
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn ok(begin: &str) -> (u16, String) {
    (200, format!("{begin} {OK}"))
}

async fn image(site: &Site, city: &str, number: u32) -> ImageId {
    let name = CityName::parse(city).unwrap();
    let source = format!("https://pictures.example/{city}/{number}'); DROP TABLE images; --");
    site.store(&name, format!("{city} {number}").into(), &source, None).await
}

/// Labels an image as Vision would, with a box or without.
async fn label(site: &Site, image: ImageId, name: Option<&str>) {
    let area = RelativeBox { x: 0.1, y: 0.1, w: 0.5, h: 0.5 };
    let boxes = name.map(|label| LabelledBox { label: label.to_owned(), area, score: Some(0.5), mid: None });
    let producer = Producer { kind: ProducerKind::Vision, name: "landmarks".to_owned() };
    let label = NewLabel { producer, boxes: boxes.into_iter().collect() };
    let mut transaction = site.warehouse.database.begin().await.unwrap();
    labels::add(&mut transaction, image, &label, site.warehouse.database.now()).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn step(site: &Site, city: &str, steps: impl IntoIterator<Item = Step>) {
    let city = site.city(&CityName::parse(city).unwrap()).await;
    let (database, now) = (&site.warehouse.database, site.warehouse.database.now());
    let mut transaction = database.begin().await.unwrap();
    for step in steps {
        cities::step(&mut transaction, city, &step, "test", None, now).await.unwrap().unwrap();
    }
    transaction.commit().await.unwrap();
}

async fn row_19_w_p5_a_new_city_is_labelled_once_however_often_it_is_asked_for(test: TestDatabase) {
    let (site, service) = service(test).await;
    image(&site, "New York", 1).await;
    assert_eq!(said(post(&service, "/api/cities/NEW_YORK").await).await, ok("[NEW_YORK, NEW]"));
    let answers = join_all((0..10).map(|_| post(&service, "/api/cities/new%20york"))).await;
    for answer in answers {
        assert_eq!(said(answer).await, ok("[NEW_YORK, NEW]"));
    }
    let jobs = site.jobs("?queue=label").await;
    assert_eq!(jobs.len(), 1, "one job, however many ask: {jobs:?}");
    assert_eq!((&jobs[0]["name"], &jobs[0]["state"]), (&json!("label-city"), &json!("waiting")));
    assert!(jobs[0]["request_id"].is_string());
}

async fn row_24_w_c6_pictures_that_came_after_the_first_labels_are_labelled(test: TestDatabase) {
    let (site, service) = service(test).await;
    let first = image(&site, "Berlin", 1).await;
    label(&site, first, Some("Reichstag")).await;
    assert_eq!(said(post(&service, "/api/cities/BERLIN/existing").await).await, ok("[BERLIN, EXISTING]"));
    assert!(site.jobs("?queue=label").await.is_empty(), "all are labelled");
    image(&site, "Berlin", 2).await;
    assert_eq!(said(post(&service, "/api/cities/Berlin/existing").await).await, ok("[BERLIN, EXISTING]"));
    assert_eq!(site.jobs("?queue=label").await.len(), 1);
    assert_eq!(said(post(&service, "/api/cities/BERLIN").await).await, ok("[BERLIN, NEW]"));
    assert_eq!(site.jobs("?queue=label").await.len(), 1, "both routes mean the same job");
}

async fn row_25_the_log_begins_with_logs_and_tells_what_was_done(test: TestDatabase) {
    let (site, service) = service(test).await;
    assert_eq!(said(get(&service, "/api/cities/logs").await).await, (200, "LOGS:\nNone so far".to_owned()));
    let (found, empty) = (image(&site, "Berlin", 1).await, image(&site, "Berlin", 2).await);
    label(&site, found, Some("Reichstag")).await;
    label(&site, empty, None).await;
    post(&service, "/api/cities/BERLIN").await;
    let (status, log) = said(get(&service, "/api/cities/logs").await).await;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!((status, lines[0], lines.len()), (200, "LOGS:", 4), "{log}");
    assert!(lines[1].contains(&found.to_string()) && lines[1].contains("successful"), "{log}");
    assert!(lines[2].contains(&empty.to_string()) && lines[2].contains("no landmark"), "{log}");
    assert!(lines[3].ends_with("No images to be labelled found [new city: BERLIN]."), "{log}");
    let year = lines[1].strip_prefix('[').and_then(|line| line.split('-').next()).unwrap();
    assert!(year.parse::<u32>().unwrap() > 2000 && lines[1].contains(" UTC] "), "{log}");
}

async fn row_26_the_descriptions_are_there(test: TestDatabase) {
    let (site, service) = service(test).await;
    for address in [&service.address, &site.address] {
        let page = reqwest::get(format!("{address}/swagger/")).await.unwrap();
        assert_eq!(
            (page.status().as_u16(), &page.headers()["content-type"]),
            (200, &"text/html; charset=utf-8".parse().unwrap())
        );
        let yaml = reqwest::get(format!("{address}/docs/index.yml")).await.unwrap();
        assert_eq!(
            (yaml.status().as_u16(), &yaml.headers()["content-type"]),
            (200, &"application/yaml".parse().unwrap())
        );
    }
    let document: Value = get(&service, "/docs/index.yml").await.json().await.unwrap();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/api/", "/api/cities/logs", "/api/cities/{city}", "/api/cities/{city}/existing"]);
    let answers = document["paths"]["/api/cities/{city}"]["post"]["responses"].as_object().unwrap();
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["200", "400", "401", "404", "409", "429", "500", "503"]);
}

async fn row_47_the_index_says_that_the_service_is_there(test: TestDatabase) {
    let (_site, service) = service(test).await;
    assert_eq!(said(get(&service, "/api/").await).await, (200, OK.to_owned()));
}

async fn w_c7_a_city_with_nothing_to_label_starts_nothing(test: TestDatabase) {
    let (site, service) = service(test).await;
    let empty = image(&site, "Berlin", 1).await;
    label(&site, empty, None).await;
    site.city(&CityName::parse("Rome").unwrap()).await;
    for city in ["BERLIN", "ROME"] {
        assert_eq!(
            said(post(&service, &format!("/api/cities/{city}")).await).await,
            ok(&format!("[{city}, NEW]"))
        );
    }
    assert!(site.jobs("?queue=label").await.is_empty(), "what was looked at is not looked at again");
    image(&site, "Oslo", 1).await;
    post(&service, "/api/cities/OSLO").await;
    assert_eq!(site.jobs("?queue=label").await.len(), 1, "a younger city does not wait for them");
}

async fn w_c19_a_database_that_is_gone_is_not_a_success(test: TestDatabase) {
    let (site, service) = service(test).await;
    image(&site, "Berlin", 1).await;
    site.warehouse.database.close().await;
    for path in ["/api/cities/BERLIN", "/api/cities/BERLIN/existing"] {
        assert!(post(&service, path).await.status().is_server_error(), "{path}");
    }
    assert!(get(&service, "/api/cities/logs").await.status().is_server_error());
}

async fn w_c37_unknown_paused_and_rejected_cities_are_told(test: TestDatabase) {
    let (site, service) = service(test).await;
    for city in ["BERLIN", "ROME"] {
        image(&site, city, 1).await;
        step(&site, city, [Step::To(CityState::Approved)]).await;
    }
    step(&site, "Berlin", [Step::Pause("too dear".to_owned())]).await;
    step(&site, "Rome", [Step::Reject("not wanted".to_owned())]).await;
    for path in ["/api/cities/BERLIN", "/api/cities/ROME/existing"] {
        problem(post(&service, path).await, 409, "not-now").await;
    }
    for path in
        ["/api/cities/ATLANTIS", "/api/cities/ATLANTIS/existing", "/api/cities/%20", "/api/cities/a%00b"]
    {
        problem(post(&service, path).await, 404, "unknown-city").await;
    }
    assert!(site.jobs("?queue=label").await.is_empty());
    for path in [
        "/api/cities/BERLIN/",
        "/api/cities/BERLIN/existing/",
        "/api/cities/logs/",
        "/api/cities/",
        "/api/cities",
    ] {
        problem(get(&service, path).await, 404, "not-found").await;
    }
    for (method, path) in [
        (Method::GET, "/api/cities/BERLIN"),
        (Method::GET, "/api/cities/BERLIN/existing"),
        (Method::POST, "/api/cities/logs"),
        (Method::POST, "/api/"),
    ] {
        let answer = service.request(method, path).send().await.unwrap();
        assert!(problem(answer, 405, "method-not-allowed").await["detail"].is_string());
    }
    image(&site, "Logs", 1).await;
    assert_eq!(
        said(post(&service, "/api/cities/LOGS").await).await,
        ok("[LOGS, NEW]"),
        "in capitals it is a city"
    );
}

async fn w_c38_types_are_types_and_not_statuses(test: TestDatabase) {
    let (site, service) = service(test).await;
    image(&site, "Berlin", 1).await;
    let answers = [
        get(&service, "/api/").await,
        get(&service, "/api/cities/logs").await,
        post(&service, "/api/cities/BERLIN").await,
        post(&service, "/api/cities/BERLIN/existing").await,
    ];
    for answer in answers {
        assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8", "{}", answer.url());
    }
}

async fn w_p10_the_log_is_not_for_everybody(test: TestDatabase) {
    let (_site, service) = service(test).await;
    let stranger = service.request(Method::GET, "/api/cities/logs").header("x-forwarded-for", "192.0.2.1");
    problem(stranger.send().await.unwrap(), 401, "unauthorized").await;
}

async fn w_s2_hostile_names_are_names(test: TestDatabase) {
    let (site, service) = service(test).await;
    let hostile = ["x'; DROP TABLE cities; --", "x\tUNION\tSELECT", "' OR '1'='1", "$(reboot)", "%", "_"];
    for name in hostile {
        let mut url = reqwest::Url::parse(&service.address).unwrap();
        url.path_segments_mut().unwrap().extend(["api", "cities", name, "existing"]);
        let answer = reqwest::Client::new().post(url).send().await.unwrap();
        problem(answer, 404, "unknown-city").await;
    }
    // The sources of its images are as hostile.
    image(&site, "x'; DROP TABLE cities; --", 1).await;
    let answer = post(&service, "/api/cities/x';%20drop%20table%20cities;%20--").await;
    assert_eq!(said(answer).await, ok("[X';_DROP_TABLE_CITIES;_--, NEW]"));
    assert_eq!(site.jobs("?queue=label").await.len(), 1);
}

async fn w_s5_only_this_machine_and_the_administrator_are_answered(test: TestDatabase) {
    let (site, service) = service(test).await;
    image(&site, "Berlin", 1).await;
    let ask = |headers: &[(&'static str, &str)]| {
        let request = service.request(Method::POST, "/api/cities/BERLIN");
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send()
    };
    let token = format!("Bearer {TOKEN}");
    let far = ("x-forwarded-for", "192.0.2.1");
    problem(ask(&[far]).await.unwrap(), 401, "unauthorized").await;
    problem(ask(&[far, ("authorization", "Bearer wrong-wrong-wrong")]).await.unwrap(), 401, "unauthorized")
        .await;
    // A page of another site, in a browser on this machine.
    problem(ask(&[("origin", "https://evil.example")]).await.unwrap(), 401, "unauthorized").await;
    assert!(site.jobs("?queue=label").await.is_empty());
    for headers in
        [&[far, ("authorization", token.as_str())][..], &[], &[("origin", "http://127.0.0.1:8001")]]
    {
        assert_eq!(ask(headers).await.unwrap().status(), 200, "{headers:?}");
    }
    for path in ["/api/cities/BERLIN", "/api/cities/BERLIN/existing"] {
        problem(site.request(Method::POST, path).send().await.unwrap(), 404, "not-found").await;
    }
    problem(site.get("/api/cities/logs").await, 404, "not-found").await;
}

async fn what_is_asked_for_again_goes_on_after_a_failure(test: TestDatabase) {
    let (site, service) = service(test).await;
    image(&site, "Berlin", 1).await;
    let failed = Step::Fail(Stage::Label, "no quota".to_owned());
    step(&site, "Berlin", [Step::To(CityState::Approved), Step::To(CityState::Labelling), failed]).await;
    assert_eq!(said(post(&service, "/api/cities/BERLIN").await).await, ok("[BERLIN, NEW]"));
    assert_eq!(site.json("/v1/cities/berlin").await["state"], "labelling");
    assert_eq!(site.jobs("?queue=label").await.len(), 1);
}
