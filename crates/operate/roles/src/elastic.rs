//! Detection behind a queue: what web tiers and workers of the roles share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sightscan_blobs::Bucket;
use sightscan_fleet::Reporter;
use sightscan_http::health::Vitals;
use sightscan_jobs::worker_name;
use sightscan_queue::{Address, Broker};
use sightscan_serve::elastic::WorkerOptions;
use sightscan_serve::{Detection, Front, Objects, Post, QueueWorker};
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::queues::TableBroker;
use tracing::info;

use crate::error::Result;
use crate::fleet::Reporting;
use crate::public::{choice, models};
use crate::setup::Setup;
use crate::storage::variable;
use crate::vitals::Parts;
use crate::{Stop, fleet, listener, live, webhook};

/// The folder of the three buckets in the data folder.
const FOLDER: &str = "elastic";

/// What a worker is told that looks at pictures.
#[derive(Debug, Clone)]
pub struct DetectOptions {
    /// The queue of the pictures.
    pub queue: Address,
    /// Ends the worker when there has been nothing to do for so long.
    pub exit_when_idle: Option<Duration>,
    /// The file in which the worker tells its pool what it does.
    pub report: Option<PathBuf>,
}

/// HTTP before detection: by workers behind the queue that is configured, else by this process.
pub(crate) async fn front(setup: &Setup, warehouse: &Warehouse) -> Result<Arc<Front>> {
    let Some(through) = &setup.config.elastic.through else {
        return Ok(Arc::new(Front::here(detection(setup)?)));
    };
    let broker = broker(&through.parse()?, warehouse).await?;
    let config = setup.config.elastic.clone();
    let notifier = webhook::notifier(&config, warehouse)?;
    let post = Post::start(config, broker, objects(setup)?, choice(setup)?, notifier).await?;
    Ok(Arc::new(Front::elsewhere(setup.config.serve.clone(), Arc::new(post))?))
}

/// Looks at the pictures of a queue until `stop`, or until there was nothing to do for long enough.
///
/// # Errors
/// When it does not start.
pub async fn detect_worker(setup: Setup, options: DetectOptions, stop: Stop) -> Result<()> {
    let warehouse = setup.open().await?;
    let broker = broker(&options.queue, &warehouse).await?;
    let detection = detection(&setup)?;
    let (ready, measured) = (Arc::clone(&detection), Arc::clone(&detection));
    let parts = Parts::default().with(move || ready.reasons(), move || measured.metrics());
    let reporter = Reporter::new(options.report.as_deref());
    reporter.beat();
    let told = fleet::http::of_worker(reporter.clone());
    listener::watch_with(setup.config.admin.listen, Arc::new(parts), told, stop.clone()).await?;
    let ended = Stop::new();
    let writing = tokio::spawn(live::keep_written(warehouse.clone(), models(&setup), ended.clone()));
    let worker = QueueWorker::new(
        setup.config.elastic.clone(),
        Arc::clone(&detection),
        broker,
        objects(&setup)?,
        WorkerOptions {
            name: worker_name(),
            exit_when_idle: options.exit_when_idle,
            watcher: Some(Arc::new(Reporting(reporter.clone()))),
            notifier: webhook::notifier(&setup.config.elastic, &warehouse)?,
        },
    );
    reporter.ready();
    info!(queue = %options.queue, "worker looks at pictures");
    let summary = worker.run(stop).await;
    info!(?summary, "worker ends");
    ended.cancel();
    writing.await.map_err(std::io::Error::from)?;
    detection.close().await;
    warehouse.database.close().await;
    Ok(())
}

/// Detection with the models that are configured, or with all that are live in the folder, now and later.
fn detection(setup: &Setup) -> Result<Arc<Detection>> {
    let choice = choice(setup)?;
    let detection = Arc::new(Detection::start(setup.config.serve.clone(), choice.open()?)?);
    detection.follow(choice);
    Ok(detection)
}

/// What reaches the queue of this address.
pub(crate) async fn broker(address: &Address, warehouse: &Warehouse) -> Result<Arc<dyn Broker>> {
    match address {
        Address::Database { queue } => Ok(Arc::new(TableBroker::open(&warehouse.database, queue).await?)),
        #[cfg(feature = "cloud")]
        Address::Sqs { url } => Ok(Arc::new(sightscan_queue::SqsBroker::open(url, variable).await?)),
        #[cfg(feature = "cloud")]
        Address::Nats { server, stream } => {
            Ok(Arc::new(sightscan_queue::NatsBroker::open(server, stream, variable).await?))
        }
        #[cfg(not(feature = "cloud"))]
        other => Err(crate::Error::NotBuiltIn(other.to_string())),
    }
}

/// The three buckets that are configured, else folders in the data folder.
pub(crate) fn objects(setup: &Setup) -> Result<Objects> {
    let bucket = |address: &Option<String>, name: &str| {
        let address = match address {
            Some(address) => address.parse()?,
            None => sightscan_blobs::Address::Folder(setup.data.join(FOLDER).join(name)),
        };
        Ok::<_, crate::Error>(Bucket::open(&address, variable)?)
    };
    let elastic = &setup.config.elastic;
    Ok(Objects {
        input: bucket(&elastic.input, "in")?,
        output: bucket(&elastic.output, "out")?,
        results: bucket(&elastic.results, "results")?,
    })
}
