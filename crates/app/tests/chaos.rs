//! Whatever breaks while pictures travel, each request that was accepted ends in one result, and in the right one.
//!
//! Clients send pictures through two web tiers to three workers while faults strike at random. A client that gets no answer, or
//! hears that pictures cannot be sent now, sends its picture again, as another request. Such a request may have been accepted
//! all the same, which its client cannot know: then it has one result, too. None has two.

mod backend;
mod load;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;
use sightscan_testkit::proxy::Proxy;

use crate::installation::{BUCKETS, coloured, send_picture};
use crate::program::*;
use backend::Backend;
use backend::Fault::{self, *};
use load::{Load, assert_right, client};

/// Figures at full scale.
const REQUESTS: f64 = 2000.0;
const FAULTS: f64 = 300.0;

/// Decides which faults strike, in which order, and whom.
const SEED: u64 = 20_210_301;
const TIERS: usize = 2;
const WORKERS: usize = 3;
/// Looks at the numbers while faults strike.
const SAMPLES: usize = 4;
/// The picture on which each worker fails.
const POISON: &str = "poison.png";

/// How long a web tier may take to answer; then it tells an address.
const WAIT: Duration = Duration::from_secs(3);
/// How long a service does not answer that stalls.
const STALL: Duration = Duration::from_millis(1500);
/// How long without any progress is a failure.
const STALLED: Duration = Duration::from_secs(60);

/// An installation at which faults strike; all its processes end with it.
struct Run {
    load: Arc<Load>,
    workers: Vec<Worker>,
    tiers: Vec<Server>,
    random: Rng,
    /// Faults that are drawn before any of them is drawn again.
    left: Vec<Fault>,
    struck: BTreeMap<Fault, usize>,
    spawned: usize,
    backend: Backend,
}

struct Worker {
    child: Child,
    log: PathBuf,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Run {
    fn start(backend: Backend) -> Self {
        let mut run = Self {
            load: Arc::default(),
            workers: Vec::new(),
            tiers: Vec::new(),
            random: Rng::with_seed(SEED),
            left: Vec::new(),
            struck: BTreeMap::new(),
            spawned: 0,
            backend,
        };
        for _ in 0..TIERS {
            let tier = run.start_tier();
            run.tiers.push(tier);
        }
        for _ in 0..WORKERS {
            let worker = run.spawn_worker();
            run.workers.push(worker);
        }
        run.publish();
        run
    }

    /// Tells the clients where the web tiers are.
    fn publish(&self) {
        let urls = self.tiers.iter().map(|tier| tier.url("/v1/detect"));
        *self.load.tiers.lock().unwrap() = urls.collect();
    }

    /// Starts a web tier, again as long as a fault keeps it from that.
    fn start_tier(&mut self) -> Server {
        let begun = Instant::now();
        loop {
            match Server::try_launch(self.backend.reached.tier_command(), drop) {
                Ok(tier) => return tier,
                Err(told) => assert!(begun.elapsed() < STALLED, "no web tier starts: {told}"),
            }
            self.look_after();
        }
    }

    fn spawn_worker(&mut self) -> Worker {
        self.spawned += 1;
        let log = self.backend.direct.folder.path().join(format!("worker-{}.log", self.spawned));
        let mut command = self.backend.reached.worker_command(&[]);
        command.stdout(Stdio::null()).stderr(fs_err::File::create(&log).unwrap().into_file());
        Worker { child: command.spawn().unwrap(), log }
    }

    /// Starts a worker in the place of each one that a fault kept from beginning. One that has begun does not end by itself.
    fn look_after(&mut self) {
        for index in 0..self.workers.len() {
            if self.workers[index].child.try_wait().unwrap().is_some() {
                let log = fs_err::read_to_string(&self.workers[index].log).unwrap();
                assert!(!log.contains("worker looks at pictures"), "a worker has ended: {log}");
                self.workers[index] = self.spawn_worker();
            }
        }
    }

    /// Sends the picture on which each worker fails. Its client is told an address, or that it was given up.
    fn send_poison(&self) {
        let url = self.tiers[0].url("/v1/detect");
        let sent = block_on(async {
            let response = send_picture(&client(), &url, POISON, coloured(0), Duration::from_secs(20)).await;
            response.unwrap().status().as_u16()
        });
        assert!([202, 500].contains(&sent), "{sent}");
    }

    /// Strikes while the clients send, and now and then looks whether a request is lost.
    fn strike_all(&mut self, requests: usize, sending: &JoinHandle<()>) {
        let faults = scaled(FAULTS);
        for number in 1..=faults {
            self.progress(requests * number / (faults + 1), sending);
            let fault = self.draw();
            self.strike(fault);
            *self.struck.entry(fault).or_default() += 1;
            if number * SAMPLES / faults > (number - 1) * SAMPLES / faults {
                self.sample();
            }
        }
    }

    /// Waits until so many requests are accepted.
    fn progress(&mut self, wanted: usize, sending: &JoinHandle<()>) {
        let mut last = (self.load.accepted(), Instant::now());
        while self.load.accepted() < wanted {
            assert!(!sending.is_finished(), "a client has given up");
            if self.load.accepted() > last.0 {
                last = (self.load.accepted(), Instant::now());
            }
            assert!(last.1.elapsed() < STALLED, "no more than {} are accepted: {}", last.0, self.logs());
            self.look_after();
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last words of the workers.
    fn logs(&self) -> String {
        let last = |worker: &Worker| {
            let log = fs_err::read_to_string(&worker.log).unwrap();
            let lines: Vec<&str> = log.lines().rev().take(5).collect();
            lines.join("\n")
        };
        self.workers.iter().map(last).collect::<Vec<String>>().join("\n\n")
    }

    /// A fault by chance, but each as often as its proportion says.
    fn draw(&mut self) -> Fault {
        if self.left.is_empty() {
            self.left.clone_from(&self.backend.faults);
            self.random.shuffle(&mut self.left);
        }
        self.left.pop().unwrap()
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            KillWorker => {
                let index = self.random.usize(..WORKERS);
                self.workers[index].child.kill().unwrap();
                self.workers[index].child.wait().unwrap();
                self.workers[index] = self.spawn_worker();
            }
            StopWorker => self.stop_worker(),
            KillTier => {
                let index = self.random.usize(..TIERS);
                self.tiers[index].child.kill().unwrap();
                self.tiers[index].child.wait().unwrap();
                self.tiers[index] = self.start_tier();
                self.publish();
            }
            Cut => self.proxy().cut(),
            Stall => self.proxy().stall(STALL),
            Refuse => {
                let connections = self.random.usize(1..=6);
                self.proxy().refuse(connections);
                self.proxy().cut();
            }
            Restart => (self.backend.restart)(),
        }
    }

    fn proxy(&self) -> &Proxy {
        self.backend.proxy.as_ref().unwrap()
    }

    /// Has a worker stand still. It goes on by itself, because it may hold a lock that everybody here waits for.
    fn stop_worker(&mut self) {
        let index = self.random.usize(..WORKERS);
        let (pid, standstill) = (self.workers[index].child.id(), self.backend.standstill);
        signal(pid, "STOP");
        std::thread::spawn(move || {
            std::thread::sleep(standstill);
            // It may have been killed meanwhile.
            Command::new("kill").args(["-CONT", &pid.to_string()]).stderr(Stdio::null()).status()
        });
    }

    /// Looks whether each accepted request is somewhere. Where the pictures are what is counted, some may be on their way: those
    /// of clients that have had no answer, or none yet.
    fn sample(&self) {
        let accepted = self.load.accepted();
        let (_, ledger) = self.backend.direct.check();
        let on_their_way = if self.backend.moto.is_some() { self.load.begun() - accepted } else { 0 };
        let count = |of: &str| usize::try_from(ledger[of].as_u64().unwrap()).unwrap();
        let places = ["done", "failed", "dead", "unsent", "waiting", "in_flight"];
        let known: usize = places.into_iter().map(count).sum();
        assert!(known + on_their_way >= count("accepted"), "{ledger}, and {on_their_way} on their way");
    }

    /// Waits until each web tier hears answers again: it hands one on long before it would look for the result itself.
    fn recovers(&mut self) {
        for tier in 0..TIERS {
            let mut turn = 0;
            until("a web tier hears answers again", STALLED, || {
                self.look_after();
                turn += 1;
                let begun = Instant::now();
                let name = format!("last-{tier}-{turn}.png");
                let is_accepted = block_on(async { self.load.send_once(&client(), tier, name, 100).await });
                is_accepted && begun.elapsed() < WAIT
            });
        }
    }

    /// Waits until nothing waits and nobody works; gives what the check says then.
    fn ends(&mut self) -> (bool, Value) {
        let begun = Instant::now();
        loop {
            self.look_after();
            let (holds, ledger) = self.backend.direct.check();
            if ledger["waiting"] == 0 && ledger["in_flight"] == 0 {
                return (holds, ledger);
            }
            assert!(begun.elapsed() < STALLED, "{ledger}: {}", self.logs());
        }
    }

    /// Looks for the result of each request; gives how many there are besides that of the poison.
    fn results_are_right(&self) -> usize {
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for result in self.backend.results() {
            found.entry(result["name"].as_str().unwrap().to_owned()).or_default().push(result);
        }
        let poison = found.remove(POISON).unwrap_or_default();
        assert!(poison.len() == 1 && poison[0]["state"] == "dead", "{poison:?}");
        let mut done = 0;
        for attempt in self.load.attempts.lock().unwrap().iter() {
            let results = found.remove(&attempt.name).unwrap_or_default();
            let may_have_none = !attempt.is_accepted;
            assert!(results.len() == 1 || (results.is_empty() && may_have_none), "{attempt:?}: {results:?}");
            // Its web tier did not know whether it was sent, and refused it.
            if may_have_none && results.iter().any(|result| result["state"] == "failed") {
                continue;
            }
            for result in &results {
                assert_eq!(result["state"], "done", "{result}");
                assert_right(&result["report"], attempt.red);
            }
            done += results.len();
        }
        assert!(found.is_empty(), "nobody has asked for these: {found:?}");
        done
    }

    /// Looks whether the numbers are those of the results.
    fn numbers_are_right(&self, done: usize, holds: bool, ledger: &Value) {
        let letters = ledger["dead"].as_u64().unwrap();
        assert!((1..=self.backend.letters).contains(&letters), "one is dead: {ledger}");
        assert_eq!((&ledger["done"], &ledger["failed"]), (&Value::from(done), &Value::from(0)), "{ledger}");
        match &self.backend.moto {
            // A web tier that is killed between the picture and its message has accepted nothing, and leaves the picture.
            Some(moto) => {
                assert_eq!(ledger["accepted"], Value::from(moto.keys(BUCKETS[0]).len()), "{ledger}")
            }
            None => {
                let unsent = usize::try_from(ledger["unsent"].as_u64().unwrap()).unwrap();
                let accepted = usize::try_from(ledger["accepted"].as_u64().unwrap()).unwrap();
                assert!((done + 1..=done + 1 + unsent).contains(&accepted), "{ledger}");
                assert!(holds || letters > 1, "{ledger}");
            }
        }
    }

    #[expect(clippy::print_stdout, reason = "it says how much was survived")]
    fn tell(&self) {
        let (accepted, begun) = (self.load.accepted(), self.load.begun());
        println!("seed {SEED}: {accepted} requests were accepted of {begun}, despite {:?}", self.struck);
    }
}

fn survive(backend: Backend) {
    let mut run = Run::start(backend);
    run.send_poison();
    let requests = scaled(REQUESTS);
    let load = Arc::clone(&run.load);
    let sending = std::thread::spawn(move || block_on(load.send_all(requests)));
    run.strike_all(requests, &sending);
    sending.join().unwrap();
    run.recovers();
    let (holds, ledger) = run.ends();
    run.tell();
    let done = run.results_are_right();
    run.numbers_are_right(done, holds, &ledger);
}

#[test]
fn chaos_leaves_each_request_one_right_result_sqlite() {
    survive(Backend::sqlite());
}

#[test]
fn chaos_leaves_each_request_one_right_result_postgres() {
    survive(Backend::postgres());
}

#[test]
fn chaos_leaves_each_request_one_right_result_sqs_and_s3() {
    survive(Backend::sqs());
}

#[test]
fn chaos_leaves_each_request_one_right_result_nats() {
    survive(Backend::nats());
}
