//! Pools of machines: against a server of EC2's protocol, and against a fake where something has to go wrong.

mod fake;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use sightscan_fleet::{
    Backlog, Controller, Driver, DriverKind, Ec2Config, Ec2Driver, Ec2InstanceDriver, Leader, Pool,
    PoolConfig, PoolStatus, Result, RuleName, State,
};
use sightscan_queue::Depth;
use sightscan_testkit::services::Moto;
use tokio_util::sync::CancellationToken;

use fake::{Failure, Fake};

/// What waits and what is in work, as the test says.
#[derive(Debug, Clone, Default)]
struct Work(Arc<(AtomicU64, AtomicU64, AtomicBool)>);

impl Work {
    fn set(&self, waiting: u64, in_flight: u64) {
        self.0.0.store(waiting, Ordering::SeqCst);
        self.0.1.store(in_flight, Ordering::SeqCst);
    }

    /// Nobody can say any more.
    fn fail(&self) {
        self.0.2.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Backlog for Work {
    async fn depth(&self) -> Result<Depth> {
        if self.0.2.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("the queue does not answer").into());
        }
        let (waiting, in_flight) = (self.0.0.load(Ordering::SeqCst), self.0.1.load(Ordering::SeqCst));
        Ok(Depth { waiting, in_flight, ..Depth::default() })
    }
}

const TRAINER: &str = "i-0123456789abcdef0";
const DEADLINE: &str = "sightscan:deadline";

/// A pool of machines that are made, one a message.
fn machines(max: usize) -> PoolConfig {
    let ec2 = Ec2Config {
        image: Some("ami-12c6146b".into()),
        instance_type: Some("t3.micro".into()),
        ..Ec2Config::default()
    };
    let (driver, rule) = (DriverKind::Ec2, RuleName::OnePerMessage);
    PoolConfig { driver, rule, max, cool_down_seconds: 0, ec2: Some(ec2), ..PoolConfig::default() }
}

fn trainer(id: &str) -> PoolConfig {
    let ec2 = Ec2Config { instance: Some(id.to_owned()), ..Ec2Config::default() };
    PoolConfig {
        name: "train".into(),
        queue: "jobs:train".into(),
        driver: DriverKind::Ec2Instance,
        cool_down_seconds: 0,
        ec2: Some(ec2),
        ..PoolConfig::default()
    }
}

async fn trainers(fake: &Fake, work: &Work) -> Pool {
    let config = trainer(TRAINER);
    let driver = Ec2InstanceDriver::open(&config, fake.variable()).await.unwrap();
    Pool::new(config, work.clone(), Arc::new(driver))
}

async fn pool_of(fake: &Fake, work: &Work, config: PoolConfig) -> Pool {
    let driver = Ec2Driver::open(&config, fake.variable()).await.unwrap();
    Pool::new(config, work.clone(), Arc::new(driver))
}

fn states(status: &PoolStatus) -> Vec<State> {
    status.workers.iter().map(|worker| worker.state).collect()
}

/// Turns until the pool is so. Nobody is ended within ten seconds of a start.
async fn until(pool: &mut Pool, what: &str, is_so: impl Fn(&PoolStatus) -> bool) {
    let begun = Instant::now();
    loop {
        let status = pool.turn().await.unwrap();
        if is_so(&status) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(40), "{what} did not come about: {status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn row_33_w_c1_the_machine_is_on_only_while_something_is_trained_and_an_idle_system_calls_nobody() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().prepare(TRAINER);
    let mut pool = trainers(&fake, &work).await;
    for _ in 0..20 {
        assert_eq!(states(&pool.turn().await.unwrap()), []);
    }
    assert_eq!(fake.world().calls.len(), 1, "one look at the beginning");
    work.set(1, 0);
    pool.turn().await.unwrap();
    for _ in 0..5 {
        assert_eq!(states(&pool.turn().await.unwrap()), [State::Starting]);
    }
    fake.world().all("pending", "running");
    work.set(0, 1);
    assert_eq!(states(&pool.turn().await.unwrap()), [State::Busy], "it trains");
    work.set(0, 0);
    until(&mut pool, "the machine is switched off", |status| states(status) == [State::Draining]).await;
    fake.world().all("stopping", "stopped");
    until(&mut pool, "the machine is off", |status| status.workers.is_empty()).await;
    let calls = fake.world().calls.len();
    for _ in 0..20 {
        pool.turn().await.unwrap();
    }
    assert_eq!(fake.world().calls.len(), calls, "nobody is called while there is nothing to do");
    let counted = ["StartInstances", "StopInstances", "TerminateInstances"].map(|action| fake.count(action));
    assert_eq!(counted, [1, 1, 0]);
}

#[tokio::test]
async fn row_39_two_errors_at_the_start_and_then_it_trains() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().prepare(TRAINER);
    fake.world().failures.extend([
        Failure("StartInstances", 400, "IncorrectInstanceState"),
        Failure("StartInstances", 500, "InsufficientInstanceCapacity"),
    ]);
    let mut pool = trainers(&fake, &work).await;
    work.set(1, 0);
    pool.turn().await.unwrap();
    assert_eq!(fake.count("StartInstances"), 3);
    fake.world().all("pending", "running");
    work.set(0, 1);
    assert_eq!(states(&pool.turn().await.unwrap()), [State::Busy], "it trains");
}

#[tokio::test]
async fn row_39_after_three_errors_it_is_told_and_tried_again_at_the_next_look() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().prepare(TRAINER);
    let failure = Failure("StartInstances", 500, "InsufficientInstanceCapacity");
    fake.world().failures.extend([failure; 3]);
    let mut pool = trainers(&fake, &work).await;
    work.set(1, 0);
    let told = pool.turn().await.unwrap_err().to_string();
    assert!(told.contains("InsufficientInstanceCapacity") && told.contains("it is tried again"), "{told}");
    assert_eq!(fake.count("StartInstances"), 3);
    pool.turn().await.unwrap();
    assert_eq!(fake.world().machine(TRAINER).state, "pending");
}

#[tokio::test]
async fn w_c2_a_machine_that_hangs_is_released_at_its_deadline_also_by_a_controller_that_came_later() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().prepare(TRAINER);
    let mut first = trainers(&fake, &work).await;
    work.set(1, 0);
    first.turn().await.unwrap();
    let deadline = fake.world().machine(TRAINER).tags[DEADLINE].clone();
    let calls: Vec<String> = fake.world().calls.iter().map(|call| call["Action"].clone()).collect();
    assert_eq!(calls, ["DescribeInstances", "CreateTags", "StartInstances"], "the deadline is written first");
    assert!(in_hours(&deadline, 11.9..12.1), "{deadline}");
    // The controller dies, and the worker hangs with its job.
    drop(first);
    work.set(0, 1);
    fake.world().all("pending", "running");
    let mut second = trainers(&fake, &work).await;
    second.turn().await.unwrap();
    assert_eq!(fake.count("StopInstances"), 0, "its time has not come");
    fake.world().machine(TRAINER).tags.insert(DEADLINE.into(), "2020-01-01T12:00:00Z".into());
    second.turn().await.unwrap();
    assert_eq!((fake.count("StopInstances"), fake.world().machine(TRAINER).state), (1, "stopping"));
    assert_eq!(states(&second.turn().await.unwrap()), [State::Draining]);
    assert_eq!(fake.count("StopInstances"), 1);
    // Its job is somebody's again, and has a new deadline.
    fake.world().all("stopping", "stopped");
    until(&mut second, "the machine is on again", |status| states(status) == [State::Starting]).await;
    assert!(in_hours(&fake.world().machine(TRAINER).tags[DEADLINE].clone(), 11.9..12.1));
    assert_eq!(fake.count("TerminateInstances"), 0);
}

#[tokio::test]
async fn w_c2_a_machine_is_released_at_its_deadline_also_where_the_queue_does_not_answer() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().prepare(TRAINER);
    let mut pool = trainers(&fake, &work).await;
    work.set(1, 0);
    pool.turn().await.unwrap();
    fake.world().all("pending", "running");
    work.fail();
    pool.turn().await.unwrap_err();
    assert_eq!(fake.count("StopInstances"), 0, "its time has not come");
    fake.world().machine(TRAINER).tags.insert(DEADLINE.into(), "2020-01-01T12:00:00Z".into());
    let failure = pool.turn().await.unwrap_err();
    assert_eq!((fake.count("StopInstances"), failure.to_string().as_str()), (1, "the queue does not answer"));
}

#[tokio::test]
async fn w_c2_a_deadline_of_another_time_does_not_count_and_one_is_there_without_a_tag() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().prepare(TRAINER);
    let now = chrono::DateTime::from_timestamp(i64::try_from(unix_now()).unwrap(), 0).unwrap();
    {
        let mut world = fake.world();
        let machine = world.machine(TRAINER);
        // Somebody has switched it on just now, by hand.
        (machine.state, machine.launched) = ("running", now.to_rfc3339());
        machine.tags.insert(DEADLINE.into(), "2020-01-01T12:00:00Z".into());
    }
    work.set(0, 1);
    let mut pool = trainers(&fake, &work).await;
    pool.turn().await.unwrap();
    assert_eq!(fake.count("StopInstances"), 0);
    fake.world().machine(TRAINER).launched = "2020-01-01T13:00:00.000Z".into();
    pool.turn().await.unwrap();
    assert_eq!(fake.count("StopInstances"), 1, "on for longer than it may be");
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn in_hours(time: &str, hours: std::ops::Range<f64>) -> bool {
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp();
    hours.contains(&((time - i64::try_from(unix_now()).unwrap()) as f64 / 3600.0))
}

#[tokio::test]
async fn what_is_described_late_starts_and_stops_nothing_twice() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().prepare(TRAINER);
    let off = fake.world().machines.clone();
    fake.world().described = Some(off);
    let mut pool = trainers(&fake, &work).await;
    work.set(1, 0);
    for _ in 0..3 {
        pool.turn().await.unwrap();
    }
    assert_eq!(fake.count("StartInstances"), 1);
    fake.world().all("pending", "running");
    let on = fake.world().machines.clone();
    fake.world().described = Some(on);
    assert_eq!(states(&pool.turn().await.unwrap()), [State::Busy]);
    work.set(0, 0);
    until(&mut pool, "the machine is switched off", |status| states(status) == [State::Draining]).await;
    for _ in 0..3 {
        pool.turn().await.unwrap();
    }
    assert_eq!(fake.count("StopInstances"), 1);
}

#[tokio::test]
async fn a_machine_that_is_gone_for_good_is_told() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().prepare(TRAINER);
    fake.world().machine(TRAINER).state = "terminated";
    let told = trainers(&fake, &work).await.turn().await.unwrap_err().to_string();
    assert!(told.contains(TRAINER) && told.contains("MTS_EC2_INSTANCE_ID"), "{told}");
    fake.world().machines.clear();
    let told = trainers(&fake, &work).await.turn().await.unwrap_err().to_string();
    assert!(told.contains("InvalidInstanceID.NotFound") && told.contains("MTS_EC2_INSTANCE_ID"), "{told}");
}

#[tokio::test]
async fn i10_machines_that_are_pending_count_and_there_are_never_more_than_the_maximum() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().page = Some(2);
    let mut pool = pool_of(&fake, &work, machines(5)).await;
    work.set(3, 0);
    pool.turn().await.unwrap();
    assert_eq!(fake.world().machines.len(), 3);
    work.set(100, 0);
    for _ in 0..10 {
        pool.turn().await.unwrap();
        assert!(fake.world().machines.len() <= 5);
    }
    assert_eq!(fake.world().in_state("pending"), 5, "of three pages");
    assert!(fake.world().calls.iter().any(|call| call.contains_key("NextToken")));
    // Another controller finds them by their tag.
    let mut second = pool_of(&fake, &work, machines(5)).await;
    fake.world().all("pending", "running");
    assert_eq!(states(&second.turn().await.unwrap()), [State::Busy; 5]);
    // Those that power off count until they are gone.
    fake.world().all("running", "shutting-down");
    second.turn().await.unwrap();
    assert_eq!(fake.world().machines.len(), 5);
    fake.world().all("shutting-down", "terminated");
    second.turn().await.unwrap();
    assert_eq!(fake.world().in_state("pending"), 5);
}

#[tokio::test]
async fn i10_machines_that_are_not_described_yet_count() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().described = Some(Vec::new());
    let mut pool = pool_of(&fake, &work, machines(4)).await;
    work.set(10, 0);
    for _ in 0..5 {
        pool.turn().await.unwrap();
    }
    assert_eq!((fake.count("RunInstances"), fake.world().machines.len()), (1, 4));
    assert_eq!(states(&pool.turn().await.unwrap()), [State::Starting; 4]);
}

#[tokio::test]
async fn i10_a_start_whose_answer_is_lost_is_not_done_twice() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().described = Some(Vec::new());
    // All tries of one call.
    fake.world().lost_answers = 4;
    let mut pool = pool_of(&fake, &work, machines(4)).await;
    work.set(10, 0);
    let told = pool.turn().await.unwrap_err().to_string();
    assert!(told.contains("InternalError"), "{told}");
    pool.turn().await.unwrap();
    assert_eq!((fake.count("RunInstances"), fake.world().machines.len()), (5, 4));
}

#[tokio::test]
async fn i12_a_machine_ends_by_itself_and_is_never_ended_while_it_may_be_busy() {
    let (fake, work) = (Fake::start().await, Work::default());
    let mut pool = pool_of(&fake, &work, machines(3)).await;
    work.set(3, 0);
    pool.turn().await.unwrap();
    fake.world().all("pending", "running");
    work.set(0, 1);
    for _ in 0..5 {
        pool.turn().await.unwrap();
    }
    // Also where nothing is to be done: whether it looks at a picture of which the queue does not tell nobody knows.
    work.set(0, 0);
    for _ in 0..5 {
        assert_eq!(states(&pool.turn().await.unwrap()), [State::Busy; 3]);
    }
    assert_eq!((fake.count("TerminateInstances"), fake.world().in_state("running")), (0, 3));
    fake.world().all("running", "terminated");
    until(&mut pool, "all are gone", |status| status.workers.is_empty()).await;
    let calls = fake.world().calls.len();
    for _ in 0..10 {
        pool.turn().await.unwrap();
    }
    assert_eq!(fake.world().calls.len(), calls, "nobody is called while there is nothing to do");
}

#[tokio::test]
async fn w_c2_a_machine_that_hangs_with_its_work_is_ended_at_its_deadline() {
    let (fake, work) = (Fake::start().await, Work::default());
    let mut pool = pool_of(&fake, &work, machines(2)).await;
    work.set(2, 0);
    pool.turn().await.unwrap();
    fake.world().all("pending", "running");
    work.set(0, 2);
    pool.turn().await.unwrap();
    assert_eq!(fake.count("TerminateInstances"), 0, "its time has not come");
    // One is there for longer than the twelve hours that a machine may run.
    fake.world().machines[0].launched = "2020-01-01T12:00:00.000Z".into();
    pool.turn().await.unwrap();
    assert_eq!((fake.count("TerminateInstances"), fake.world().in_state("running")), (1, 1));
}

#[tokio::test]
async fn what_a_machine_is_told() {
    let (fake, work) = (Fake::start().await, Work::default());
    let ec2 = Ec2Config {
        subnet: Some("subnet-1".into()),
        security_groups: vec!["sg-1".into(), "sg-2".into()],
        instance_profile: Some("worker".into()),
        ..machines(2).ec2.unwrap()
    };
    let mut pool = pool_of(&fake, &work, PoolConfig { ec2: Some(ec2), ..machines(2) }).await;
    work.set(2, 0);
    pool.turn().await.unwrap();
    let template = Ec2Config {
        launch_template: Some("lt-1".into()),
        launch_template_version: Some("$Latest".into()),
        ..Ec2Config::default()
    };
    let config = PoolConfig { name: "other".into(), ec2: Some(template), ..machines(1) };
    pool_of(&fake, &work, config).await.turn().await.unwrap();
    let calls = fake.world().calls.clone();
    let runs: Vec<_> = calls.iter().filter(|call| call["Action"] == "RunInstances").collect();
    let [by_image, by_template] = &*runs else { panic!("{runs:?}") };
    for (name, value) in [
        ("ImageId", "ami-12c6146b"),
        ("InstanceType", "t3.micro"),
        ("MinCount", "1"),
        ("MaxCount", "2"),
        ("InstanceInitiatedShutdownBehavior", "terminate"),
        ("SubnetId", "subnet-1"),
        ("SecurityGroupId.2", "sg-2"),
        ("IamInstanceProfile.Name", "worker"),
        ("MetadataOptions.HttpTokens", "required"),
        ("TagSpecification.1.Tag.1.Value", "sightscan-detect"),
        ("TagSpecification.1.Tag.2.Key", "sightscan:pool"),
        ("TagSpecification.1.Tag.2.Value", "detect"),
    ] {
        assert_eq!(by_image.get(name).map(String::as_str), Some(value), "{name}");
    }
    let user_data = base64_simd::STANDARD.decode_to_vec(&by_image["UserData"]).unwrap();
    let user_data = String::from_utf8(user_data).unwrap();
    assert!(user_data.starts_with("#cloud-config\n") && user_data.contains("poweroff"), "{user_data}");
    // W-S7: no key of anybody is on its way, neither ours nor one to log in with.
    for text in calls.iter().flatten().map(|(name, value)| format!("{name}={value}")).chain([user_data]) {
        assert!(!text.contains("test-secret") && !text.contains("KeyName"), "{text}");
    }
    assert_eq!(by_template["LaunchTemplate.LaunchTemplateId"], "lt-1");
    assert_eq!(by_template["LaunchTemplate.Version"], "$Latest");
    assert_eq!(by_template["InstanceInitiatedShutdownBehavior"], "terminate");
    let own =
        ["ImageId", "UserData", "MetadataOptions.HttpTokens"].map(|name| by_template.contains_key(name));
    assert_eq!(own, [false; 3], "the template says it");
}

#[tokio::test]
async fn w_s16_whoever_has_no_right_is_told_which_one_is_missing() {
    let (fake, work) = (Fake::start().await, Work::default());
    let denied = |action| Failure(action, 403, "UnauthorizedOperation");
    fake.world().failures.extend([denied("DescribeInstances"), denied("RunInstances")]);
    let mut pool = pool_of(&fake, &work, machines(2)).await;
    work.set(1, 0);
    let told = pool.turn().await.unwrap_err().to_string();
    assert!(told.contains("UnauthorizedOperation") && told.contains("`ec2:DescribeInstances`"), "{told}");
    let told = pool.turn().await.unwrap_err().to_string();
    assert!(told.contains("`ec2:RunInstances`") && told.contains("`iam:PassRole`"), "{told}");
    assert_eq!(fake.world().calls.len(), 3, "a refusal is final, and not tried again");
}

#[tokio::test]
async fn a_throttled_call_is_made_again() {
    let (fake, work) = (Fake::start().await, Work::default());
    fake.world().failures.extend([
        Failure("DescribeInstances", 503, "RequestLimitExceeded"),
        Failure("DescribeInstances", 503, "Unavailable"),
    ]);
    let mut pool = pool_of(&fake, &work, machines(2)).await;
    pool.turn().await.unwrap();
    assert_eq!(fake.count("DescribeInstances"), 3);
}

/// Leads always, and keeps what is noted.
#[derive(Default)]
struct Notes(Mutex<Vec<(String, Option<String>)>>);

#[async_trait]
impl Leader for Notes {
    async fn leads(&self) -> bool {
        true
    }

    async fn note(&self, pool: &str, failure: Option<&str>) {
        self.0.lock().unwrap().push((pool.to_owned(), failure.map(str::to_owned)));
    }
}

#[tokio::test]
async fn a_pool_that_fails_goes_on_says_so_once_and_holds_up_no_other() {
    let (fake, work) = (Fake::start().await, Work::default());
    let bad = PoolConfig { name: "bad".into(), ..machines(2) };
    // Nobody listens there.
    let nowhere = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:9".to_owned()),
        "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".to_owned()),
        _ => None,
    };
    let driver = Arc::new(Ec2Driver::open(&bad, nowhere).await.unwrap());
    let shown = Pool::new(bad.clone(), work.clone(), Arc::<Ec2Driver>::clone(&driver)).status().await;
    let told = shown.failure.unwrap();
    assert!(
        told.contains("does not answer DescribeInstances") && told.contains("AWS_ENDPOINT_URL"),
        "{told}"
    );
    assert_eq!((&*shown.name, shown.workers), ("bad", Vec::new()));
    let pools = vec![Pool::new(bad, work.clone(), driver), pool_of(&fake, &work, machines(2)).await];
    work.set(1, 0);
    let (notes, stop) = (Arc::new(Notes::default()), CancellationToken::new());
    let running = tokio::spawn({
        let (notes, stop) = (Arc::clone(&notes), stop.clone());
        async move { Controller::new(pools, Duration::from_millis(10)).run(&*notes, stop).await }
    });
    let begun = Instant::now();
    let is_noted = |pool: &str| notes.0.lock().unwrap().iter().any(|(noted, _)| noted == pool);
    // Many looks at the one, before the other has tried often enough to fail.
    while fake.count("DescribeInstances") < 10 || !is_noted("bad") {
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(30), "a pool is held up, or does not say so");
        assert!(!is_noted("bad") || fake.count("DescribeInstances") >= 10, "the other pool is held up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    running.await.unwrap();
    let notes = notes.0.lock().unwrap().clone();
    assert_eq!(fake.world().machines.len(), 1);
    assert_eq!(notes.len(), 2, "each once: {notes:?}");
    assert!(notes.contains(&("detect".into(), None)), "{notes:?}");
    assert!(notes.iter().any(|(pool, failure)| pool == "bad" && failure.is_some()), "{notes:?}");
}

/// What Amazon's clients are told, to reach moto.
fn of(moto: &Moto) -> impl Fn(&str) -> Option<String> {
    let variables = moto.variables();
    move |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

#[tokio::test]
async fn moto_makes_finds_and_ends_machines() {
    let (moto, work) = (Moto::start(), Work::default());
    let config = machines(3);
    let open = async || Arc::new(Ec2Driver::open(&config, of(&moto)).await.unwrap());
    let mut first = Pool::new(config.clone(), work.clone(), open().await);
    work.set(7, 0);
    // Moto makes only as many as there must be of a call, which EC2 does where it has no more.
    until(&mut first, "all that there may be are there", |status| status.workers.len() == 3).await;
    // Whoever comes later finds them, and a pool of another name does not.
    let second = open().await;
    let members = second.members().await.unwrap();
    assert_eq!(members.len(), 3);
    let other = PoolConfig { name: "other".into(), ..config.clone() };
    let other = Ec2Driver::open(&other, of(&moto)).await.unwrap();
    assert_eq!(other.members().await.unwrap(), []);
    let ids: Vec<String> = members.into_iter().map(|member| member.id).collect();
    second.drain(&ids[..2]).await.unwrap();
    let left: Vec<String> = second.members().await.unwrap().into_iter().map(|member| member.id).collect();
    assert_eq!(left, ids[2..]);
    other.start(1).await.unwrap();
    assert_eq!((other.members().await.unwrap().len(), second.members().await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn row_33_moto_switches_a_prepared_machine_on_and_off() {
    let (moto, work) = (Moto::start(), Work::default());
    let maker = Ec2Driver::open(&machines(1), of(&moto)).await.unwrap();
    maker.start(1).await.unwrap();
    let id = maker.members().await.unwrap()[0].id.clone();
    let config = trainer(&id);
    let open = async || Arc::new(Ec2InstanceDriver::open(&config, of(&moto)).await.unwrap());
    open().await.drain(std::slice::from_ref(&id)).await.unwrap();
    let mut pool = Pool::new(config.clone(), work.clone(), open().await);
    assert_eq!(states(&pool.turn().await.unwrap()), [], "it is prepared, and off");
    work.set(1, 0);
    until(&mut pool, "the machine is on", |status| states(status) == [State::Busy]).await;
    work.set(0, 0);
    until(&mut pool, "the machine is off", |status| status.workers.is_empty()).await;
    assert_eq!(open().await.members().await.unwrap(), [], "it is not gone, but off");
    work.set(1, 0);
    until(&mut pool, "the machine is on again", |status| states(status) == [State::Busy]).await;
}

#[tokio::test]
async fn what_moto_does_not_know_is_told_by_its_setting() {
    let moto = Moto::start();
    let ec2 = Ec2Config { instance: Some("i-0aaaaaaaaaaaaaaaa".into()), ..Ec2Config::default() };
    let config = PoolConfig { ec2: Some(ec2), ..trainer("") };
    let driver = Ec2InstanceDriver::open(&config, of(&moto)).await.unwrap();
    let told = driver.members().await.unwrap_err().to_string();
    assert!(told.contains("InvalidInstanceID.NotFound") && told.contains("AWS_REGION"), "{told}");
    let nothing = Ec2Config { launch_template: Some("none".into()), ..Ec2Config::default() };
    let config = PoolConfig { ec2: Some(nothing), ..machines(1) };
    let driver = Ec2Driver::open(&config, of(&moto)).await.unwrap();
    let told = driver.start(1).await.unwrap_err().to_string();
    assert!(told.contains("InvalidLaunchTemplate") && told.contains("`launch_template`"), "{told}");
}
