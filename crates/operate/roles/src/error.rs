//! Why a role does not start.

use std::net::SocketAddr;

/// Shorthand for what the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a role does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// A variable of the original.
    #[error(transparent)]
    Variable(#[from] crate::environment::BadVariable),
    /// The settings do not say where the database is.
    #[error(transparent)]
    Address(#[from] sightscan_warehouse::address::AddressError),
    /// The database.
    #[error(transparent)]
    Database(#[from] sightscan_warehouse::Error),
    /// The settings do not say where the queue is.
    #[error(transparent)]
    QueueAddress(#[from] sightscan_queue::AddressError),
    /// A pool.
    #[error(transparent)]
    Fleet(#[from] sightscan_fleet::Error),
    /// Two pools cannot be told apart.
    #[error("two pools are named `{0}`; give one of them another `name` in its table `[[pool]]`")]
    SamePool(String),
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] sightscan_queue::Error),
    /// This program cannot reach such a queue.
    #[error("this program was built without the feature `cloud`, which reaches the queue `{0}`; use `db:`")]
    NotBuiltIn(String),
    /// The settings do not say where the blobs are.
    #[error(transparent)]
    BlobAddress(#[from] sightscan_blobs::AddressError),
    /// The blobs.
    #[error(transparent)]
    Blobs(#[from] sightscan_blobs::BlobError),
    /// The given administrator's token is too weak.
    #[error("SIGHTSCAN_ADMIN_TOKEN: {0}")]
    Token(sightscan_http::admin::UnfitToken),
    /// The database holds something else where the token's hash should be.
    #[error("the stored hash of the administrator's token cannot be read; set SIGHTSCAN_ADMIN_TOKEN")]
    StoredToken,
    /// Somebody else has the address.
    #[error("cannot listen on {address}: {source}; is another server running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nobody tells how he is.
    #[error(
        "{address} does not answer: {source}; is a role running there? Address and port are those of its `--listen` or `--admin-listen`"
    )]
    Silent {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A role that wants no requests yet, or no more.
    #[error("{address} is not ready: {answer}")]
    NotReady {
        /// The address.
        address: SocketAddr,
        /// What it says itself.
        answer: String,
    },
    /// The network of detection.
    #[error(transparent)]
    Serve(#[from] sightscan_serve::StartError),
    /// The model that detection should use.
    #[error(transparent)]
    Model(#[from] sightscan_engine::model::ModelError),
    /// The operating system.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// A list of hosts or proxies.
    #[error(transparent)]
    Settings(#[from] sightscan_cities::http::SettingsError),
    /// Cities.
    #[error(transparent)]
    Cities(#[from] sightscan_cities::Error),
    /// The metrics of the worker.
    #[error("the worker's metrics cannot be made: {0}")]
    Metrics(String),
    /// A queue that does not exist.
    #[error("there is no queue `{0}`; the queues are crawl, label, train and upkeep")]
    UnknownQueue(String),
    /// A job that does not exist.
    #[error("there is no job {0}; `sightscan jobs list` shows those there are")]
    UnknownJob(sightscan_types::JobId),
    /// A city that does not exist.
    #[error("there is no city `{0}`; `sightscan crawl` makes one, and so does a request")]
    UnknownCity(String),
    /// The section `[crawl]`.
    #[error(transparent)]
    CrawlConfig(#[from] sightscan_crawl::ConfigError),
    /// A crawl.
    #[error(transparent)]
    Crawl(#[from] sightscan_crawl::Error),
    /// The section `[label]`.
    #[error(transparent)]
    LabelConfig(#[from] sightscan_label::ConfigError),
    /// A labelling.
    #[error(transparent)]
    Label(#[from] sightscan_label::Error),
    /// A training, or what became of a model.
    #[error(transparent)]
    Train(#[from] sightscan_train::Error),
    /// The city of the demo was stopped.
    #[error(
        "the demo does not go on: {0}; begin it again, or see `sightscan jobs list` with its folder as --data"
    )]
    DemoFailed(String),
    /// What is live did not get into the model folder.
    #[error("no model of {city} came into {}; the log says why", folder.display())]
    NoModelCame {
        /// The city.
        city: sightscan_types::Slug,
        /// The folder.
        folder: std::path::PathBuf,
    },
    /// The pictures of the demo cannot be drawn.
    #[error(transparent)]
    Scenes(#[from] sightscan_dataset::NotScenes),
    /// What was found cannot be drawn.
    #[error(transparent)]
    Copies(#[from] sightscan_engine::annotate::CopyError),
    /// A picture cannot be looked at.
    #[error(transparent)]
    Picture(#[from] sightscan_engine::many::PictureError),
    /// A runtime.
    #[error(transparent)]
    Runtime(#[from] sightscan_engine::runtime::RuntimeError),
    /// The webhook of the section `[elastic]`.
    #[error(transparent)]
    Webhook(#[from] crate::webhook::BadWebhook),
    /// A name that no model can have.
    #[error(transparent)]
    ModelName(#[from] sightscan_engine::model::NameError),
    /// A name that no city can have.
    #[error(transparent)]
    Name(#[from] sightscan_types::names::NameError),
}
