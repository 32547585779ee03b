//! The whole product on the invented city, as a newcomer sees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sightscan_testkit::scale;

use crate::program::{Server, sightscan, stdout_of};
use crate::roles::{events_within, get};

/// What the model that comes with the program does not know.
const NEW: [&str; 2] = ["wheel", "windmill"];

/// The demo in a folder: as it is, or a short one in the quick tier.
fn demo(data: &Path) -> Command {
    let mut command = sightscan(data);
    command.args(["--log", "info", "--log-json", "demo", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    if scale() < 1.0 {
        command.args(["--pictures", "24", "--epochs", "8"]);
    }
    command
}

/// Average precision of each landmark, before and after; nothing where it was not known.
fn table(told: &str) -> BTreeMap<String, [Option<f64>; 2]> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let (label, before, after) = (words.next()?, words.next()?, words.next()?);
        let number = |word: &str| if word == "–" { Some(None) } else { word.parse().ok().map(Some) };
        Some((label.to_owned(), [number(before)?, number(after)?]))
    };
    told.lines().filter_map(row).collect()
}

#[test]
fn the_demo_teaches_two_landmarks_and_keeps_the_others_also_when_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::launch(demo(folder.path()));
    // Until the city has a model, the one that comes with the program answers.
    assert_eq!(get(&server.url("/v1/models"))["items"][0]["name"], "landmarks");
    events_within(&server, "landmark-city", "epoch 2/", Duration::from_secs(120));
    // SIGKILL: no clean end of any kind.
    server.child.kill().unwrap();
    server.child.wait().unwrap();

    let told = stdout_of(demo(folder.path()).arg("--once"));
    assert!(told.contains("== live") && told.contains("version 1"), "{told}");
    let found = table(&told);
    assert_eq!(found.len(), 8, "{told}");
    for (landmark, [before, _]) in &found {
        assert_eq!(before.is_none(), NEW.contains(&landmark.as_str()), "{told}");
    }
    assert_taught(&found, &told);
    let drawn = fs_err::read_dir(folder.path().join("unseen/found")).unwrap().count();
    assert_eq!(drawn, 8);
}

/// The new landmarks are found and the others still are. In the quick tier one of the two is enough, and a little.
fn assert_taught(found: &BTreeMap<String, [Option<f64>; 2]>, told: &str) {
    let taught = NEW.map(|landmark| found[landmark][1].unwrap());
    let lost = found.values().filter_map(|[before, after]| Some((*before)? - after.unwrap()));
    let lost = lost.fold(0.0_f64, f64::max);
    let (best, worst) = (taught[0].max(taught[1]), taught[0].min(taught[1]));
    if scale() < 1.0 {
        assert!(best >= 0.1 && lost <= 0.2, "{told}");
    } else {
        // Two digits are told.
        assert!(worst >= 0.6 && lost <= 0.055, "{told}");
    }
}
