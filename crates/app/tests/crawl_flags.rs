//! The flags of `crawl` that say how pages are looked at, with a real Chromium against fakes of the pages.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sightscan_testkit::upstreams::World;
use sightscan_testkit::upstreams::search_page::SearchPage;
use sightscan_testkit::upstreams::wikimedia::Wikimedia;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::program::{failure_of, sightscan, stdout_of};
use crate::roles::role;

/// The services of a city whose pictures are looked for on pages, on a runtime of their own.
struct Pages {
    _runtime: Runtime,
    wikimedia: Wikimedia,
    search: SearchPage,
    /// What temporary files are put into.
    temporary: TempDir,
}

impl Pages {
    /// `None` where the data is missing.
    fn start() -> Option<Self> {
        let world = World::of_sights()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (wikimedia, search) = runtime
            .block_on(async { (Wikimedia::start(world.clone()).await, SearchPage::start(world).await) });
        Some(Self { _runtime: runtime, wikimedia, search, temporary: tempfile::tempdir().unwrap() })
    }

    /// A crawl that asks these services and no others.
    fn crawl(&self, data: &Path, arguments: &str) -> Command {
        let mut command = role(data, "crawl");
        let (wikimedia, search) = (self.wikimedia.upstream.url(), self.search.upstream.url());
        let settings = format!(
            "[crawl]\npace_ms = 0\ncontact = \"nobody@example.org\"\n\
             [crawl.services]\nwikidata = \"{wikimedia}\"\ncommons = \"{wikimedia}\"\n\
             google_images = \"{search}\"\npinterest = \"{search}\"\n"
        );
        fs_err::write(data.join("pages.toml"), settings).unwrap();
        command
            .env("SIGHTSCAN_CONFIG", data.join("pages.toml"))
            .env("TMPDIR", self.temporary.path())
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .args(arguments.split(' '));
        command
    }

    /// What a crawl of a new city prints, and how often pages and pictures of each kind were asked for.
    fn crawled(&self, arguments: &str) -> (String, [usize; 4]) {
        let folder = tempfile::tempdir().unwrap();
        self.search.upstream.log().clear();
        let told = stdout_of(&mut self.crawl(folder.path(), arguments));
        let paths = ["/search?", "/photos/full/", "/search/pins/", "/564x/"];
        (told, paths.map(|path| self.search.upstream.log().count(path)))
    }

    fn temporary_files(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.temporary.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

#[test]
fn row_16_the_help_says_what_every_flag_means() {
    let folder = tempfile::tempdir().unwrap();
    let help = stdout_of(sightscan(folder.path()).args(["crawl", "--help"]));
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let flags = ["--skip", "--threads", "--google", "--full", "--face", "--no-gui", "--limit", "--no-driver"];
    for flag in flags.into_iter().chain(["--region", "--location", "--sights-limit", "--sources"]) {
        assert!(help.contains(flag), "{flag}: {help}");
    }
    for word in
        ["without a window", "without a driver", "google-images", "pinterest", "licences are not known"]
    {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn row_10_row_12_row_16_row_18_flags_decide_what_is_looked_at_and_nothing_is_left() {
    let Some(pages) = Pages::start() else { return };
    let original = "--no_gui true --full true --limit 2 --no_driver true --region Paris";
    let (told, asked) = pages.crawled(&format!("{original} --sights_limit 2 --sources google-images"));
    assert!(told.ends_with("4 pictures of 2 sights\n"), "{told}");
    // Each picture is asked for by the page that shows it, too.
    assert!(asked[0] == 2 && asked[1] >= 4, "{asked:?}");
    let small = "Paris --limit 2 --sights-limit 1 --sources google-images,pinterest";
    let (told, asked) = pages.crawled(&format!("{small} --face"));
    assert!(told.ends_with("2 pictures of 1 sights\n"), "{told}");
    assert_eq!(asked, [1, 0, 0, 0], "there are enough thumbnails");
    assert!(pages.search.upstream.log().requests_to("/search?")[0].query().ends_with("&tbs=itp:face"));
    let (_, asked) = pages.crawled(&format!("{small} --google false --no-gui auto"));
    assert_eq!((asked[0], asked[2]), (0, 1));
    assert!(asked[3] >= 2, "{asked:?}");
    assert_eq!(pages.temporary_files(), Vec::<String>::new());
}

#[test]
fn row_16_a_window_is_opened_when_it_is_wanted() {
    let Some(pages) = Pages::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let arguments = "Paris --limit 1 --sights-limit 1 --sources pinterest --no_gui false";
    let refused = failure_of(&mut pages.crawl(folder.path(), arguments));
    // Which of the browser's last lines are told depends on its version.
    let is_told = refused.contains("DISPLAY") || refused.contains("platform failed to initialize");
    assert!(refused.contains("has ended at once") && is_told, "there is no screen: {refused}");
}

#[test]
fn row_18_w_c25_a_program_that_is_killed_leaves_no_browser() {
    let Some(pages) = Pages::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut command = pages.crawl(folder.path(), "Paris --limit 0 --sources google-images --full");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("pictures are looked at", || pages.search.upstream.log().count("/photos/full/") > 5);
    assert!(pages.temporary_files().iter().any(|file| file.starts_with("sightscan-browser.")));
    // SIGKILL: no clean end of any kind.
    child.kill().unwrap();
    child.wait().unwrap();
    let profile = pages.temporary.path().to_str().unwrap().to_owned();
    until("the browser and its profile are gone", || {
        pages.temporary_files().is_empty() && !command_lines().iter().any(|line| line.contains(&profile))
    });
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(50), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The command lines of all processes.
fn command_lines() -> Vec<String> {
    let processes = fs_err::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let lines = processes.filter_map(|process| fs_err::read(process.join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}
