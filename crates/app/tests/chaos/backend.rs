//! The queues and buckets that pictures travel through, and how each of them can break.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sightscan_engine::onnx::proto::{NodeProto, data_type};
use sightscan_engine::onnx::{self, build};
use sightscan_testkit::database::{Cluster, new_database, texts};
use sightscan_testkit::proxy::Proxy;
use sightscan_testkit::services::{Moto, Nats};
use sightscan_testkit::tiny;

use Fault::*;

use crate::installation::{BUCKETS, Installation};
use crate::program::*;

/// So many tries, that faults alone give up no picture.
const MAX_RECEIVES: u32 = 10;
/// Longer than the lease of a picture, see [`Installation::role`].
const STANDSTILL: Duration = Duration::from_secs(3);
/// Longer than NATS waits for who holds a message.
const STANDSTILL_OF_NATS: Duration = Duration::from_secs(6);

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
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

/// A queue with its buckets, and how it can break.
pub(super) struct Backend {
    /// As those are told who ask how it is.
    pub(super) direct: Installation,
    /// As web tiers and workers are told: they reach the service through the proxy.
    pub(super) reached: Installation,
    pub(super) proxy: Option<Proxy>,
    /// The faults, in their proportions.
    pub(super) faults: Vec<Fault>,
    pub(super) restart: Box<dyn FnMut()>,
    pub(super) standstill: Duration,
    /// Letters that one dead request may leave: whoever does not hear that a service has taken one sends it again.
    pub(super) letters: u64,
    /// Where the buckets are, unless they are folders.
    pub(super) moto: Option<Moto>,
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
    pub(super) fn sqlite() -> Self {
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

    pub(super) fn postgres() -> Self {
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
    pub(super) fn sqs() -> Self {
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

    pub(super) fn nats() -> Self {
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
    pub(super) fn results(&self) -> Vec<Value> {
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
