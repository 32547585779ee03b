//! Hostile names, closed doors, and what answers and logs must not tell.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use reqwest::Method;
use serde_json::{Value, json};
use sightscan_cities::Config;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;

use crate::support::{Site, TOKEN, problem};

on_both_engines![
    w_s1_w_s3_hostile_names_are_names,
    w_s4_no_name_is_a_word_of_a_shell,
    w_s5_the_administrators_routes_are_closed,
    w_s5_clients_are_rate_limited,
    w_s9_logs_and_answers_hold_no_secrets,
    w_s10_errors_do_not_show_the_inside,
    w_c19_a_failed_write_is_not_a_success,
    w_p10_what_happens_is_counted,
    a_character_that_no_database_keeps_is_no_fault_of_the_server,
];

async fn w_s1_w_s3_hostile_names_are_names(test: TestDatabase) {
    let site = Site::start(test).await;
    for name in [
        "x'%3B%20DROP%20TABLE%20cities%3B--",
        "BERLIN'%09OR%091=1--",
        "%22%3B%20SELECT%20pg_sleep(9)%3B--",
        "a)%3B%20DELETE%20FROM%20jobs%3B--",
    ] {
        assert_eq!(
            site.add_as("192.0.2.1", name).await.status(),
            if name.contains("%09") { 400 } else { 200 }
        );
        for path in ["model", "model/version"] {
            let status = site.get(&format!("/api/cities/{name}/{path}")).await.status().as_u16();
            assert!(status == 200 || status == 404, "{name} {path} {status}");
        }
        problem(site.get(&format!("/v1/cities/{name}")).await, 404, "unknown-city").await;
    }
    assert_eq!(site.json("/v1/cities").await["items"].as_array().unwrap().len(), 3);
    let found = site.json("/v1/cities?q=%25").await;
    assert_eq!(found["items"], json!([]), "a wild card is a character");
}

async fn w_s4_no_name_is_a_word_of_a_shell(test: TestDatabase) {
    let site = Site::with(test, Config { request_threshold: 1, ..Config::default() }).await;
    let name = "$(touch%20pwned)%20%60id%60%20%26%26%20reboot";
    assert_eq!(site.add_as("192.0.2.1", name).await.status(), 200);
    let city = &site.json("/v1/cities").await["items"][0];
    let slug = city["slug"].as_str().unwrap();
    site.decide(&format!("/v1/cities/{slug}/approve")).await;
    let job = site.jobs("").await.remove(0);
    let payload = sightscan_warehouse::jobs::show(
        &site.warehouse.database,
        job["id"].as_str().unwrap().parse().unwrap(),
    );
    let payload = payload.await.unwrap().unwrap().payload;
    assert!(!payload.contains("touch"), "jobs name cities by their ids: {payload}");
}

async fn w_s5_the_administrators_routes_are_closed(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    let job = site.jobs("").await[0]["id"].as_str().unwrap().to_owned();
    let mut routes = vec![
        (Method::GET, "/v1/jobs".to_owned()),
        (Method::GET, "/v1/jobs/queues".to_owned()),
        (Method::GET, format!("/v1/jobs/{job}")),
        (Method::POST, format!("/v1/jobs/{job}/cancel")),
        (Method::POST, format!("/v1/jobs/{job}/retry")),
        (Method::POST, "/v1/images/x/review".to_owned()),
    ];
    let verbs = ["approve", "reject", "pause", "resume", "retry"];
    routes.extend(verbs.map(|verb| (Method::POST, format!("/v1/cities/berlin/{verb}"))));
    for (method, path) in routes {
        problem(site.request(method.clone(), &path).send().await.unwrap(), 401, "unauthorized").await;
        let request =
            site.request(method, &path).header("x-forwarded-for", "192.0.2.77").bearer_auth("wrong");
        let status = request.send().await.unwrap().status().as_u16();
        assert!(status == 401 || status == 429, "{path}: {status}");
    }
    // Who has a wrong token is told, and does not go on sending it.
    for path in ["/v1/cities", "/v1/cities/berlin"] {
        let request = site.request(Method::GET, path).header("x-forwarded-for", "192.0.2.78");
        problem(request.bearer_auth("wrong").send().await.unwrap(), 401, "unauthorized").await;
    }
    let city = site.json("/v1/cities/berlin").await;
    assert_eq!(city["state"], "approved");
}

async fn w_s5_clients_are_rate_limited(test: TestDatabase) {
    let site = Site::with(test, Config { writes_per_minute: 2, ..Config::default() }).await;
    let ask = async |client: &str| site.add_as(client, "BERLIN").await;
    for _ in 0..2 {
        assert_eq!(ask("192.0.2.1").await.status(), 200);
    }
    let refused = ask("192.0.2.1").await;
    assert!(refused.headers().contains_key("retry-after"));
    problem(refused, 429, "rate-limited").await;
    assert_eq!(ask("192.0.2.2").await.status(), 200, "others are not held up");
    assert_eq!(
        site.json("/v1/cities/berlin").await["requests"]["posts"],
        3,
        "what is refused does not count"
    );
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All that this process logs: the server's tasks run on several threads.
fn log() -> &'static Log {
    static LOG: LazyLock<Log> = LazyLock::new(|| {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    });
    &LOG
}

async fn w_s9_logs_and_answers_hold_no_secrets(test: TestDatabase) {
    let log = log();
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    site.decide("/v1/cities/berlin/pause").await;
    let wrong = site.request(Method::GET, "/v1/jobs").bearer_auth("a-token-that-is-wrong");
    problem(wrong.send().await.unwrap(), 401, "unauthorized").await;
    let salt = sightscan_warehouse::settings::get(&site.warehouse.database, "requester_salt").await;
    let salt = salt.unwrap().unwrap();
    let answers = [
        site.get("/v1/cities/berlin").await.text().await.unwrap(),
        site.admin(Method::GET, "/v1/jobs", None).await.text().await.unwrap(),
        site.get("/openapi.json").await.text().await.unwrap(),
        format!("{:?}", site.cities),
    ];
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("request answered") && logged.contains("INSERT"), "{logged}");
    for text in answers.iter().chain([&logged]) {
        for secret in [TOKEN, &salt, "a-token-that-is-wrong"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

async fn w_s10_errors_do_not_show_the_inside(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    site.warehouse.database.close().await;
    for path in ["/v1/cities", "/v1/cities/berlin", "/api/cities/", "/api/cities/BERLIN/model"] {
        let answer = site.get(path).await;
        assert!(answer.status().is_server_error(), "{path}");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["request_id"].is_string());
        let text = problem.to_string().to_lowercase();
        for inside in ["pool", "sql", "postgres", ".rs", "/tmp", "select"] {
            assert!(!text.contains(inside), "{path}: {text}");
        }
    }
}

async fn w_c19_a_failed_write_is_not_a_success(test: TestDatabase) {
    let site = Site::start(test).await;
    site.warehouse.database.close().await;
    for path in ["/api/cities/BERLIN/add", "/v1/cities"] {
        let answer = site.post(path, &json!({"name": "Berlin"})).await;
        assert!(answer.status().is_server_error(), "{path}: {}", answer.status());
    }
}

async fn w_p10_what_happens_is_counted(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    let text = site.cities.metrics();
    for line in ["sightscan_city_requests_total 1", "sightscan_city_approvals_total 1"] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

async fn a_character_that_no_database_keeps_is_no_fault_of_the_server(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    let images = "/v1/cities/berlin/images";
    for path in [
        "/v1/cities?q=%00".to_owned(),
        "/v1/jobs?queue=%00".to_owned(),
        "/v1/jobs?name=a%00".to_owned(),
        format!("{images}?sight=%00"),
        format!("{images}?label=%00"),
        format!("{images}?licence=%00"),
    ] {
        problem(site.admin(Method::GET, &path, None).await, 400, "invalid-parameter").await;
    }
    let reason = json!({"reason": "too\u{0} dear"});
    let paused = site.admin(Method::POST, "/v1/cities/berlin/pause", Some(reason)).await;
    assert_eq!(paused.json::<Value>().await.unwrap()["reason"], "too dear");
}
