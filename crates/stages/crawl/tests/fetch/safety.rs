//! Who is connected to, and what is told to whom.

use std::process::Command;

use reqwest::Url;
use serde_json::Value;
use sightscan_crawl::fetch::{FetchConfig, Fetcher};
use sightscan_testkit::upstreams::{Answer, Upstream};

use super::{at, fetcher, gallery, refused};

#[tokio::test]
async fn private_hosts_are_not_connected_to() {
    let server = gallery().await;
    let port = server.host().rsplit(':').next().unwrap();
    let fetcher = fetcher(&["127.0.0.1:1", "elsewhere.example.org"]);
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let url: Url = format!("http://{host}:{port}/a.png").parse().unwrap();
        assert_eq!(refused(fetcher.json::<Value>(url.clone()).await), "its address is not public", "{host}");
        assert_eq!(refused(fetcher.text(url.clone()).await), "its address is not public", "{host}");
        assert_eq!(refused(fetcher.picture(&url).await), "its address is not public", "{host}");
    }
    assert_eq!(server.log().total(), 0);
}

#[tokio::test]
async fn redirects_do_not_lead_to_private_hosts() {
    let (open, private) = (Upstream::blank().await, gallery().await);
    let port = private.host().rsplit(':').next().unwrap();
    let fetcher = fetcher(&[open.host()]);
    for (nth, (target, reason)) in [
        (format!("{}/a.png", private.url()), "its address is not public"),
        (format!("http://localhost:{port}/a.png"), "its address is not public"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "its address is not public"),
        ("//[fd00:ec2::254]/latest".to_owned(), "its address is not public"),
        ("file:///etc/passwd".to_owned(), "not an address of the web"),
        ("http://".to_owned(), "redirects to nowhere"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{nth}");
        open.fix(&path, Answer::redirect(&target));
        assert_eq!(refused(fetcher.picture(&at(&open, &path)).await), reason, "{target}");
    }
    assert_eq!(private.log().total(), 0);
}

#[tokio::test]
async fn only_the_trusted_port_of_a_host_is_trusted() {
    let (trusted, other) = (gallery().await, gallery().await);
    let port = |server: &Upstream| server.host().rsplit(':').next().unwrap().to_owned();
    let fetcher = fetcher(&[&format!("localhost:{}", port(&trusted))]);
    let url = |server| format!("http://localhost:{}/a.png", port(server)).parse().unwrap();
    assert!(fetcher.picture(&url(&trusted)).await.is_ok());
    assert_eq!(refused(fetcher.picture(&url(&other)).await), "its address is not public");
}

/// This process cannot change its environment, so another one runs a test that would fail.
#[test]
fn proxies_of_the_environment_are_not_used() {
    let proxied = "fetch::services_are_asked_without_robots_txt";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", proxied]).env_remove("NO_PROXY").env_remove("no_proxy");
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(variable, "http://127.0.0.1:1");
    }
    let ran = command.output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn questions_are_not_carried_to_where_a_redirect_leads() {
    let server = Upstream::blank().await;
    server.fix("/api", Answer::redirect("/elsewhere").status(307));
    let answer = fetcher(&[server.host()]).post_form::<Value>(at(&server, "/api"), &[("a", "b")]).await;
    assert_eq!(refused(answer), "redirects");
    assert_eq!(server.log().count("/elsewhere"), 0);
}

#[test]
fn an_agent_that_cannot_be_sent_is_told() {
    let config = FetchConfig { user_agent: "two\nlines".to_owned(), ..FetchConfig::default() };
    assert!(Fetcher::new(config).unwrap_err().to_string().contains("user agent"));
}
