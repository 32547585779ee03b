//! Whatever breaks while pictures travel, each request that was accepted ends in one result, and in the right one.
//!
//! Clients send pictures through two web tiers to three workers while faults strike at random. A client that gets no answer, or
//! hears that pictures cannot be sent now, sends its picture again, as another request. Such a request may have been accepted
//! all the same, which its client cannot know: then it has one result, too. None has two.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use sightscan_engine::onnx::proto::{NodeProto, data_type};
use sightscan_engine::onnx::{self, build};
use sightscan_testkit::database::{Cluster, new_database, texts};
use sightscan_testkit::proxy::Proxy;
use sightscan_testkit::services::{Moto, Nats};
use sightscan_testkit::tiny;

use crate::program::*;
use crate::roles::{BUCKETS, Installation, coloured, number_in, send_picture};

/// Figures at full scale.
const REQUESTS: f64 = 2000.0;
const FAULTS: f64 = 300.0;

/// Decides which faults strike, in which order, and whom.
const SEED: u64 = 20_210_301;
const TIERS: usize = 2;
const WORKERS: usize = 3;
/// Requests that are under way at once.
const AT_ONCE: usize = 16;
/// Looks at the numbers while faults strike.
const SAMPLES: usize = 4;
/// So many tries, that faults alone give up no picture.
const MAX_RECEIVES: u32 = 10;
/// The picture on which each worker fails.
const POISON: &str = "poison.png";

/// How long a web tier may take to answer; then it tells an address.
const WAIT: Duration = Duration::from_secs(3);
/// A client that was not heard asks again after so long.
const AGAIN: Duration = Duration::from_millis(200);
/// How long a service does not answer that stalls.
const STALL: Duration = Duration::from_millis(1500);
/// Longer than the lease of a picture, see [`Installation::role`].
const STANDSTILL: Duration = Duration::from_secs(3);
/// Longer than NATS waits for who holds a message.
const STANDSTILL_OF_NATS: Duration = Duration::from_secs(6);
/// How long without any progress is a failure.
const STALLED: Duration = Duration::from_secs(60);

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// A worker is killed (SIGKILL), and another one started in its place.
    KillWorker,
    /// A worker stands still (SIGSTOP) for longer than its lease, and then goes on.
    StopWorker,
    /// A web tier is killed (SIGKILL), and another one started in its place.
    KillTier,
    /// All connections to the service break.
    Cut,
    /// The service does not answer for a while.
    Stall,
    /// All connections break, and the next ones are answered with 503.
    Refuse,
    /// The service ends and starts again with what it has acknowledged.
    Restart,
}
use Fault::*;

/// A queue with its buckets, and how it can break.
struct Backend {
    /// As those are told who ask how it is.
    direct: Installation,
    /// As web tiers and workers are told: they reach the service through the proxy.
    reached: Installation,
    proxy: Option<Proxy>,
    /// The faults, in their proportions.
    faults: Vec<Fault>,
    restart: Box<dyn FnMut()>,
    standstill: Duration,
    /// Letters that one dead request may leave: whoever does not hear that a service has taken one sends it again.
    letters: u64,
    /// Where the buckets are, unless they are folders.
    moto: Option<Moto>,
}

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

/// What the clients know.
#[derive(Default)]
struct Load {
    /// Where pictures are sent to.
    tiers: Mutex<Vec<String>>,
    attempts: Mutex<Vec<Attempt>>,
    begun: AtomicUsize,
    accepted: AtomicUsize,
}

/// A request as its client saw it. No other one has this name.
#[derive(Debug)]
struct Attempt {
    name: String,
    red: u8,
    is_accepted: bool,
}

/// The tiny network, but it fails on pictures without any red, and so does each worker that takes one: it looks up what is
/// before the beginning of a list then.
fn fragile(folder: &Path) -> PathBuf {
    let mut model = onnx::parse(&tiny::colour_box()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    // From -6 without any red to -2 with all of it, where -5 is the first of five.
    graph.initializer.extend([
        build::floats("redness", &[3, 1], &[4.0, 0.0, 0.0]),
        build::floats("from_end", &[1], &[-6.0]),
        build::floats("five", &[5], &[0.0; 5]),
    ]);
    let last = graph.node.pop().unwrap();
    graph.node.extend([
        build::node("MatMul", &["colour", "redness"], "red", vec![]),
        build::node("Add", &["red", "from_end"], "place", vec![]),
        build::node("Cast", &["place"], "index", vec![build::int("to", i64::from(data_type::INT64))]),
        build::node("Gather", &["five", "index"], "nothing", vec![build::int("axis", 0)]),
        build::node("Add", &["row", "nothing"], "checked_row", vec![]),
        NodeProto { input: vec!["checked_row".to_owned(), "shape".to_owned()], ..last },
    ]);
    let path = folder.join("fragile_box.onnx");
    fs_err::write(&path, model.to_bytes()).unwrap();
    path
}

/// This installation, with the network that can be poisoned.
fn breakable(installation: Installation) -> Installation {
    let model = fragile(installation.folder.path());
    let settings = format!("{}max_receives = {MAX_RECEIVES}\n", installation.settings);
    Installation { model, settings, ..installation }
}

/// A way to the server of this URL on which faults can strike, and the URL of that way.
fn proxied(url: &str) -> (Proxy, String) {
    let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    let address = authority.rsplit('@').next().unwrap();
    let proxy = Proxy::start(address.parse().unwrap());
    let way = url.replace(address, &proxy.address().to_string());
    (proxy, way)
}

impl Backend {
    /// No service lies between: only processes can break.
    fn sqlite() -> Self {
        let direct = breakable(Installation::embedded());
        Self {
            reached: direct.clone(),
            direct,
            proxy: None,
            faults: [[KillWorker; 4].as_slice(), &[StopWorker; 2], &[KillTier]].concat(),
            restart: Box::new(|| {}),
            standstill: STANDSTILL,
            letters: 1,
            moto: None,
        }
    }

    fn postgres() -> Self {
        let cluster = Cluster::start();
        let url = block_on(async {
            // The kernel has what was committed, so that it survives the death of the server: with `fsync` that of the kernel.
            texts(&cluster.url, "ALTER ROLE ALL SET synchronous_commit = on").await;
            new_database(&cluster.url).await
        });
        let (proxy, way) = proxied(&url);
        let to = |url| vec![("DATABASE_URL", url)];
        let direct = Installation { variables: to(url), ..breakable(Installation::embedded()) };
        Self {
            reached: Installation { variables: to(way), ..direct.clone() },
            direct,
            proxy: Some(proxy),
            faults: [[KillWorker; 4].as_slice(), &[StopWorker; 2], &[KillTier, Cut, Cut, Stall, Restart]]
                .concat(),
            restart: Box::new(move || {
                cluster.kill();
                cluster.restart();
            }),
            standstill: STANDSTILL,
            letters: 1,
            moto: None,
        }
    }

    /// Queues in SQS, buckets in S3. Their server forgets everything at its end: so it does not restart.
    fn sqs() -> Self {
        let moto = Moto::start();
        let direct = breakable(Installation::in_cloud(&moto));
        let (proxy, way) = proxied(&moto.url);
        let variables = direct.variables.iter().map(|(name, value)| (*name, value.replace(&moto.url, &way)));
        Self {
            reached: Installation {
                queue: direct.queue.replace(&moto.url, &way),
                variables: variables.collect(),
                ..direct.clone()
            },
            direct,
            proxy: Some(proxy),
            faults: [
                [KillWorker; 4].as_slice(),
                &[StopWorker; 2],
                &[KillTier, Cut, Cut, Stall, Refuse, Refuse],
            ]
            .concat(),
            restart: Box::new(|| {}),
            standstill: STANDSTILL,
            letters: 2,
            moto: Some(moto),
        }
    }

    fn nats() -> Self {
        let mut nats = Nats::start();
        let (proxy, way) = proxied(&nats.url);
        let embedded = breakable(Installation::embedded());
        // The queues of answers are in memory: whoever waits for answers must notice soon that his is gone.
        let settings = format!("{}replies_lease_seconds = 6\n", embedded.settings);
        let direct = Installation { queue: format!("{}/detect", nats.url), settings, ..embedded };
        Self {
            reached: Installation { queue: format!("{way}/detect"), ..direct.clone() },
            direct,
            proxy: Some(proxy),
            faults: [[KillWorker; 4].as_slice(), &[StopWorker; 2], &[KillTier, Cut, Stall, Restart]].concat(),
            restart: Box::new(move || nats.restart()),
            standstill: STANDSTILL_OF_NATS,
            letters: 2,
            moto: None,
        }
    }

    /// What is in the bucket of results, without the notes of who waits.
    fn results(&self) -> Vec<Value> {
        let bytes: Vec<Vec<u8>> = match &self.moto {
            Some(moto) => {
                let keys = moto.keys(BUCKETS[2]).into_iter().filter(|key| is_result(key));
                keys.map(|key| moto.object(BUCKETS[2], &key)).collect()
            }
            None => {
                let folder = self.direct.folder.path().join("elastic/results");
                let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap());
                let results = entries.filter(|entry| is_result(&entry.file_name().to_string_lossy()));
                results.map(|entry| fs_err::read(entry.path()).unwrap()).collect()
            }
        };
        bytes.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect()
    }
}

/// Whether this is the name of a result: an id. Notes, and what a process that was killed has left unfinished, have longer ones.
fn is_result(name: &str) -> bool {
    name.len() == 36
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(10 * WAIT).build().unwrap()
}

impl Load {
    /// Has clients send so many pictures, each until it is accepted.
    async fn send_all(&self, requests: usize) {
        let client = client();
        let sending = stream::iter(0..requests).map(|number| self.send(&client, number));
        assert_eq!(sending.buffer_unordered(AT_ONCE).count().await, requests);
    }

    async fn send(&self, client: &reqwest::Client, number: usize) {
        let red = u8::try_from(60 + number % 180).unwrap();
        let begun = Instant::now();
        let mut turn = 0;
        while !self.send_once(client, number + turn, format!("{number}-{turn}.png"), red).await {
            assert!(begun.elapsed() < 2 * STALLED, "request {number} was not accepted {turn} times");
            tokio::time::sleep(AGAIN).await;
            turn += 1;
        }
    }

    /// Sends a picture; whether it was accepted.
    async fn send_once(&self, client: &reqwest::Client, tier: usize, name: String, red: u8) -> bool {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let url = self.tiers.lock().unwrap()[tier % TIERS].clone();
        let is_accepted = is_accepted(client, &url, &name, red).await;
        self.attempts.lock().unwrap().push(Attempt { name, red, is_accepted });
        self.accepted.fetch_add(usize::from(is_accepted), Ordering::SeqCst);
        is_accepted
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

/// Whether a web tier takes a picture. Where it answers at once, that must be the answer to this picture.
async fn is_accepted(client: &reqwest::Client, url: &str, name: &str, red: u8) -> bool {
    let Ok(response) = send_picture(client, url, name, coloured(red), WAIT).await else { return false };
    let status = response.status().as_u16();
    // Nobody has heard an answer that breaks off.
    let Ok(body) = response.text().await else { return false };
    match status {
        200 => {
            assert_right(&serde_json::from_str(&body).unwrap(), red);
            true
        }
        202 => true,
        // It could not be sent to workers, or not be read in time.
        503 | 408 => false,
        other => panic!("{name}: {other} {body}"),
    }
}

fn assert_right(report: &Value, red: u8) {
    let found = number_in(report);
    assert!(found.is_some_and(|found| (found - f64::from(red)).abs() < 1.0), "{report} for {red}");
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

    /// Sends the picture on which each worker fails. Its client is told an address long before it is given up.
    fn send_poison(&self) {
        let url = self.tiers[0].url("/v1/detect");
        let sent = block_on(async {
            let response = send_picture(&client(), &url, POISON, coloured(0), Duration::from_secs(1)).await;
            response.unwrap().status().as_u16()
        });
        assert_eq!(sent, 202);
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
        let known: usize = ["done", "failed", "dead", "waiting", "in_flight"].into_iter().map(count).sum();
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
                assert_eq!(ledger["accepted"], Value::from(done + 1), "{ledger}");
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
