//! Pools whose workers are pods, against a fake of Kubernetes whose pods are processes.

mod pod;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sightscan_fleet::kubernetes::Deployment;
use sightscan_fleet::{Driver, DriverKind, KubernetesConfig, KubernetesDriver, Member, PoolConfig, State};
use sightscan_testkit::kubernetes::{Cluster, DEPLOYMENT, Fault, NAMESPACE, Options, PodPlace};
use sightscan_testkit::scale;

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster, and what its pods say that they do.
struct Stage {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().to_owned();
        let mut options = Options::new(move |place: &PodPlace| pod::command(place, &files));
        change(&mut options);
        Self { cluster: Cluster::start(options), folder }
    }

    fn settings(&self) -> KubernetesConfig {
        KubernetesConfig {
            deployment: DEPLOYMENT.to_owned(),
            namespace: Some(NAMESPACE.to_owned()),
            server: Some(self.cluster.url().to_owned()),
            token_file: Some(self.cluster.token_file()),
            ..KubernetesConfig::default()
        }
    }

    fn driver(&self, max: usize) -> KubernetesDriver {
        let (driver, kubernetes) = (DriverKind::Kubernetes, Some(self.settings()));
        let config = PoolConfig { driver, kubernetes, max, ..PoolConfig::default() };
        KubernetesDriver::new(&config, |_| None).unwrap().with_patience(PATIENCE)
    }

    fn deployment(&self) -> Deployment {
        Deployment::connect(&self.settings(), |_| None).unwrap()
    }

    /// From now on the worker of this pod says that it does this.
    fn says(&self, pod: &str, text: &str) {
        // Replaced, so that nobody reads half of it.
        let unfinished = self.folder.path().join(format!("{pod}.new"));
        fs_err::write(&unfinished, text).unwrap();
        fs_err::rename(unfinished, self.folder.path().join(pod)).unwrap();
    }

    /// Waits until the workers are as wanted.
    async fn until(
        &self,
        driver: &KubernetesDriver,
        mut is_so: impl FnMut(&[Member]) -> bool,
    ) -> Vec<Member> {
        let begun = Instant::now();
        loop {
            let members = driver.members().await.unwrap();
            if is_so(&members) {
                return members;
            }
            assert!(begun.elapsed() < PATIENCE, "{members:#?} {:#?}", self.cluster);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A driver, and so many pods whose workers wait for work.
    async fn idle(&self, count: usize) -> (KubernetesDriver, Vec<String>) {
        let driver = self.driver(19);
        self.cluster.scale(u32::try_from(count).unwrap());
        let members = self.until(&driver, |members| are_all(members, State::Idle, count)).await;
        (driver, ids(&members))
    }

    /// Calls so far that changed the scale.
    fn changes_of_scale(&self) -> usize {
        self.cluster
            .asked()
            .iter()
            .filter(|asked| asked.starts_with("PATCH") && asked.contains("/scale"))
            .count()
    }
}

fn are_all(members: &[Member], state: State, count: usize) -> bool {
    members.len() == count && members.iter().all(|member| member.state == state)
}

fn ids(members: &[Member]) -> Vec<String> {
    members.iter().map(|member| member.id.clone()).collect()
}

fn in_state(members: &[Member], state: State) -> BTreeSet<String> {
    members.iter().filter(|member| member.state == state).map(|member| member.id.clone()).collect()
}

#[tokio::test]
async fn i10_pods_that_are_wanted_count_before_they_are_there_and_are_never_too_many() {
    let stage = Stage::with(|options| options.readiness_delay = Duration::from_millis(300));
    let driver = stage.driver(5);
    assert!(driver.members().await.unwrap().is_empty());
    stage.cluster.pause(true);
    driver.start(3).await.unwrap();
    let members = driver.members().await.unwrap();
    assert!(are_all(&members, State::Starting, 3), "nobody has made them yet: {members:?}");
    stage.cluster.pause(false);
    let members = stage
        .until(&driver, |members| {
            assert_eq!(members.len(), 3, "a pod that is there is no pod that is wanted any more");
            are_all(members, State::Idle, 3)
        })
        .await;
    assert_eq!((members[0].ended, members[0].service_ms), (3, Some(40.0)), "as the worker tells it");
    driver.start(100).await.unwrap();
    assert_eq!(
        stage.cluster.replicas(),
        5,
        "no more than the maximum, whoever has changed the scale meanwhile"
    );
}

/// Over and over some workers are busy, and the driver is asked to end some that it believes to be idle.
#[tokio::test]
async fn i12_scale_in_ends_no_busy_worker() {
    const PODS: usize = 5;
    let stage = Stage::new();
    let (driver, _) = stage.idle(PODS).await;
    let mut chance = fastrand::Rng::with_seed(7);
    let cycles = ((200.0 * scale()) as usize).max(3);
    for cycle in 0..cycles {
        let count = u32::try_from(PODS).unwrap();
        stage.cluster.scale(count);
        let all = |members: &[Member]| {
            let (starting, ending) = (in_state(members, State::Starting), in_state(members, State::Draining));
            members.len() == PODS && starting.is_empty() && ending.is_empty()
        };
        let all = ids(&stage.until(&driver, all).await);
        let busy: BTreeSet<String> = all.iter().filter(|_| chance.bool()).cloned().collect();
        for id in &all {
            stage.says(id, &pod::doing(if busy.contains(id) { "busy" } else { "idle" }));
        }
        // Of those that it is asked to end one may have got work since it was looked at.
        let asked: Vec<String> = all.iter().filter(|_| chance.bool()).cloned().collect();
        let gone: BTreeSet<String> = asked.iter().filter(|id| !busy.contains(*id)).cloned().collect();
        driver.drain(&asked).await.unwrap();
        let left = stage.until(&driver, |members| members.len() == PODS - gone.len()).await;
        let left: BTreeSet<String> = ids(&left).into_iter().collect();
        let expected: BTreeSet<String> = all.iter().filter(|id| !gone.contains(*id)).cloned().collect();
        assert_eq!(left, expected, "cycle {cycle}: busy {busy:?}, asked {asked:?}");
    }
    let asked_to_end = stage.cluster.ended();
    assert!(!asked_to_end.is_empty() && asked_to_end.iter().all(|ended| ended.was_asked), "{asked_to_end:?}");
}

#[tokio::test]
async fn marks_are_set_before_the_scale_is_lowered_and_taken_back_when_they_mean_nothing() {
    let stage = Stage::new();
    let (driver, ids) = stage.idle(3).await;
    stage.says(&ids[1], &pod::doing("busy"));
    stage.cluster.pause(true);
    driver.drain(&ids[..1]).await.unwrap();
    let costs = || stage.cluster.pods().iter().map(|pod| pod.cost).collect::<Vec<_>>();
    assert_eq!(costs(), [Some(-100), Some(100), None]);
    let asked = stage.cluster.asked();
    let last_mark =
        asked.iter().rposition(|asked| asked.starts_with("PATCH") && asked.contains("/pods/")).unwrap();
    let change =
        asked.iter().rposition(|asked| asked.starts_with("PATCH") && asked.contains("/scale")).unwrap();
    assert!(last_mark < change, "{asked:#?}");
    let members = driver.members().await.unwrap();
    assert_eq!(
        in_state(&members, State::Draining),
        BTreeSet::from([ids[0].clone()]),
        "it has not been told yet"
    );
    driver.drain(&ids[..1]).await.unwrap();
    assert_eq!(stage.cluster.replicas(), 2, "it is let go once");
    // Somebody wants it after all; then another one is let go.
    stage.cluster.scale(3);
    stage.says(&ids[1], &pod::doing("idle"));
    stage.says(&ids[0], &pod::doing("busy"));
    driver.drain(&ids[2..]).await.unwrap();
    assert_eq!(costs(), [Some(100), None, Some(-100)]);
    stage.cluster.pause(false);
    let left = stage.until(&driver, |members| members.len() == 2).await;
    assert_eq!(self::ids(&left), ids[..2]);
}

#[tokio::test]
async fn a_worker_that_does_not_answer_is_not_ended() {
    let stage = Stage::new();
    let (driver, ids) = stage.idle(2).await;
    let driver = driver.with_patience(Duration::from_secs(1));
    stage.says(&ids[0], pod::SILENT);
    stage.says(&ids[1], "<html>");
    assert!(are_all(&driver.members().await.unwrap(), State::Busy, 2));
    driver.drain(&ids).await.unwrap();
    assert_eq!((stage.cluster.replicas(), stage.changes_of_scale()), (2, 0));
}

#[tokio::test]
async fn whoever_else_changes_the_scale_is_respected() {
    let stage = Stage::new();
    let (driver, _) = stage.idle(2).await;
    stage.cluster.scale(4);
    driver.start(1).await.unwrap();
    assert_eq!(stage.cluster.replicas(), 5, "one more than somebody else wanted");
    let members = stage.until(&driver, |members| are_all(members, State::Idle, 5)).await;
    // Somebody lets two go; nobody has told these yet.
    stage.cluster.pause(true);
    stage.cluster.scale(3);
    let going = in_state(&driver.members().await.unwrap(), State::Draining);
    assert_eq!(going.len(), 2, "{members:?}");
    driver.drain(&going.into_iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(stage.cluster.replicas(), 3, "they go already");
    stage.cluster.pause(false);
    // Which of those that are equally old nobody knows.
    stage.until(&driver, |members| are_all(members, State::Idle, 3)).await;
}

#[tokio::test]
async fn a_change_that_others_were_faster_with_is_tried_again() {
    let stage = Stage::new();
    let driver = stage.driver(19);
    stage.cluster.fail_next("PATCH", "/scale", [Fault::Conflict, Fault::Conflict]);
    driver.start(2).await.unwrap();
    assert_eq!((stage.cluster.replicas(), stage.changes_of_scale()), (2, 3));
    let ids = ids(&stage.until(&driver, |members| are_all(members, State::Idle, 2)).await);
    stage.cluster.fail_next("PATCH", "/scale", [Fault::Conflict]);
    driver.drain(&ids[..1]).await.unwrap();
    let left = stage.until(&driver, |members| members.len() == 1).await;
    assert_eq!(left[0].id, ids[1]);
    stage.cluster.fail_next("PATCH", "/scale", [Fault::Conflict; 20]);
    let told = driver.start(1).await.unwrap_err().to_string();
    assert!(told.contains("deployments/scale") && told.contains("others keep changing it"), "{told}");
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_made_once() {
    let stage = Stage::new();
    let driver = stage.driver(19);
    stage.cluster.fail_next("PATCH", "/scale", [Fault::Unheard]);
    driver.start(4).await.unwrap();
    assert_eq!(stage.cluster.replicas(), 4);
    let ids = ids(&stage.until(&driver, |members| are_all(members, State::Idle, 4)).await);
    stage.cluster.pause(true);
    stage.cluster.fail_next("PATCH", "/scale", [Fault::Unheard]);
    driver.drain(&ids[..2]).await.unwrap();
    assert_eq!(stage.cluster.replicas(), 2);
    stage.cluster.pause(false);
    let left = stage.until(&driver, |members| members.len() == 2).await;
    assert_eq!(self::ids(&left), ids[2..]);
    assert!(stage.cluster.has_failed_as_told());
}

#[tokio::test]
async fn an_api_that_fails_for_a_moment_is_asked_again_and_then_told_of() {
    let stage = Stage::new();
    let (driver, _) = stage.idle(1).await;
    for faults in [[Fault::Status(503), Fault::Cut], [Fault::Status(500), Fault::Status(504)]] {
        stage.cluster.fail_next("GET", "/pods", faults);
        assert_eq!(driver.members().await.unwrap().len(), 1);
    }
    stage.cluster.fail_next("PATCH", "/scale", [Fault::Status(503)]);
    driver.start(1).await.unwrap();
    assert_eq!(stage.cluster.replicas(), 2);
    stage.cluster.fail_next("GET", "/pods", [Fault::Status(500); 3]);
    let told = driver.members().await.unwrap_err().to_string();
    assert!(told.contains("list pods") && told.contains("500") && told.contains("etcdserver"), "{told}");
    let nowhere = KubernetesConfig { server: Some("http://127.0.0.1:9".into()), ..stage.settings() };
    let told = Deployment::connect(&nowhere, |_| None).unwrap().replicas().await.unwrap_err().to_string();
    assert!(told.contains("http://127.0.0.1:9/ does not answer") && told.contains("refused"), "{told}");
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_made_again() {
    let stage = Stage::new();
    let (driver, _) = stage.idle(1).await;
    let begun = Instant::now();
    stage.cluster.fail_next("GET", "/scale", [Fault::Stall(Duration::from_secs(60))]);
    assert_eq!(driver.members().await.unwrap().len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn whoever_is_asked_to_wait_waits() {
    let stage = Stage::new();
    let driver = stage.driver(19);
    stage.cluster.fail_next("PATCH", "/scale", [Fault::TooMany { retry_after: 1 }]);
    let begun = Instant::now();
    driver.start(1).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(stage.cluster.replicas(), 1);
    stage.cluster.fail_next("GET", "/scale", [Fault::TooMany { retry_after: 600 }]);
    let told = driver.members().await.unwrap_err().to_string();
    assert!(told.contains("600 seconds"), "{told}");
    let before = stage.cluster.asked().len();
    assert!(driver.start(1).await.is_err());
    assert_eq!(stage.cluster.asked().len(), before, "until then nothing is asked");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let stage = Stage::new();
    let (driver, ids) = stage.idle(1).await;
    stage.cluster.fail_next("PATCH", "/scale", [Fault::Forbidden]);
    let told = driver.start(1).await.unwrap_err().to_string();
    assert!(told.contains("verb `patch` on `deployments/scale`") && told.contains(NAMESPACE), "{told}");
    stage.cluster.fail_next("PATCH", "/pods/", [Fault::Forbidden]);
    let told = driver.drain(&ids).await.unwrap_err().to_string();
    assert!(told.contains("verb `patch` on `pods`"), "{told}");
    assert_eq!(stage.cluster.replicas(), 1, "whoever cannot mark lets nobody go");
    let elsewhere = KubernetesConfig { deployment: "other".into(), ..stage.settings() };
    let told = Deployment::connect(&elsewhere, |_| None).unwrap().replicas().await.unwrap_err().to_string();
    assert!(told.contains("\"other\" not found") && told.contains("`deployment`"), "{told}");
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again() {
    let stage = Stage::new();
    let (driver, _) = stage.idle(1).await;
    stage.cluster.change_token("the-second-token");
    assert_eq!(driver.members().await.unwrap().len(), 1);
    fs_err::write(stage.cluster.token_file(), "another").unwrap();
    let told = driver.members().await.unwrap_err().to_string();
    assert!(
        told.contains("token") && told.contains(&stage.cluster.token_file().display().to_string()),
        "{told}"
    );
    assert!(!told.contains("another"), "no secret is told: {told}");
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page_and_begun_anew_when_it_is_too_old() {
    let stage = Stage::with(|options| options.page = 2);
    let (driver, ids) = stage.idle(5).await;
    let pages = |asked: &[String]| asked.iter().filter(|asked| asked.contains("continue=")).count();
    let before = stage.cluster.asked();
    stage.cluster.fail_next("GET", "continue=", [Fault::Gone]);
    assert_eq!(self::ids(&driver.members().await.unwrap()), ids);
    assert_eq!(pages(&stage.cluster.asked()) - pages(&before), 3, "one that is too old, then two");
}

#[tokio::test]
async fn w14_a_deployment_is_scaled_and_waited_for_until_exactly_these_pods_are_ready() {
    let stage = Stage::with(|options| options.readiness_delay = Duration::from_millis(400));
    let deployment = stage.deployment();
    for count in [1, 3, 2, 0] {
        let ready = deployment.scale_to(count, PATIENCE).await.unwrap();
        let there: Vec<String> = stage.cluster.pods().into_iter().map(|pod| pod.place.name).collect();
        let names: Vec<String> = ready.iter().map(|pod| pod.name.clone()).collect();
        assert_eq!((names.len(), &names), (count as usize, &there), "those and no others");
        assert!(ready.iter().all(|pod| pod.ip == "127.0.0.1" && pod.node == "node-1"), "{ready:?}");
        assert_eq!(deployment.ready_pods().await.unwrap(), ready);
        assert_eq!(deployment.replicas().await.unwrap(), count);
    }
    let watched = stage.cluster.asked().iter().filter(|asked| asked.contains("watch=true")).count();
    assert!((1..=8).contains(&watched), "they are watched and not asked for again and again: {watched}");
}

#[tokio::test]
async fn a_watch_that_is_too_late_begins_anew() {
    let stage = Stage::new();
    let deployment = stage.deployment();
    stage.cluster.lose_image(true);
    let until = async |what: &str, is_so: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "{what} did not come about");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let forgetting = async {
        let is_watched = || stage.cluster.asked().iter().any(|asked| asked.contains("watch=true"));
        until("a watch", &is_watched).await;
        stage.cluster.fail_next("GET", "watch=true", [Fault::Gone, Fault::Status(500), Fault::Cut]);
        stage.cluster.forget_history();
        // It is watched again until it goes well; only then the pods can become ready.
        until("all faults", &|| stage.cluster.has_failed_as_told()).await;
        stage.cluster.lose_image(false);
    };
    let (ready, ()) = tokio::join!(deployment.scale_to(2, PATIENCE), forgetting);
    assert_eq!(ready.unwrap().len(), 2);
}

#[tokio::test]
async fn pods_that_do_not_become_ready_are_told_with_the_reason() {
    let stage = Stage::new();
    let deployment = stage.deployment();
    stage.cluster.lose_image(true);
    let told = told_in_the_end(&deployment, 1, &["of 1 pods", "ImagePullBackOff"]).await;
    assert!(told.contains(&stage.cluster.pods()[0].place.name), "{told}");
    stage.cluster.lose_image(false);
    deployment.scale_to(1, PATIENCE).await.unwrap();
    stage.cluster.set_quota(Some(1));
    told_in_the_end(&deployment, 3, &["only 1 pods are there", "exceeded quota"]).await;
    let crashing = Stage::with(|options| options.command = Box::new(|_| std::process::Command::new("false")));
    told_in_the_end(&crashing.deployment(), 1, &["CrashLoopBackOff", "Error"]).await;
}

/// What is told of pods that do not become ready, once it says all of this: reasons come later than pods.
async fn told_in_the_end(deployment: &Deployment, count: u32, words: &[&str]) -> String {
    let begun = Instant::now();
    loop {
        let told = deployment.scale_to(count, Duration::from_millis(1500)).await.unwrap_err().to_string();
        if words.iter().all(|word| told.contains(word)) {
            return told;
        }
        assert!(begun.elapsed() < PATIENCE, "{told}");
    }
}
