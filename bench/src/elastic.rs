//! What a queue costs: the same requests to one process, and to a web tier whose workers are behind each kind of queue.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use sightscan_testkit::services::{Moto, Nats};
use tempfile::TempDir;

use crate::client::{Client, request};
use crate::postgres::Server;
use crate::process::{Process, free_address, program};
use crate::say;
use crate::statistics::{median, rate};
use crate::subject::{Subject, course_body};

/// Requests before the measurement, so that every worker has looked at some.
const WARM_UP: usize = 16;
/// The numbers of workers, each with one thread.
const WORKERS: [usize; 2] = [1, 2];

/// Flags of `elastic`.
#[derive(Debug, Args)]
pub(crate) struct Elastic {
    /// Kinds of queues.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["sqlite", "postgresql", "sqs", "nats"])]
    queues: Vec<Kind>,
    /// Requests over one connection in each round.
    #[arg(long, default_value_t = 100)]
    requests: usize,
    /// Seconds of as many requests as are answered, in each round.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Connections for these.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Rounds; each system runs once a round.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// A kind of queue. The servers of SQS (moto) and NATS are those of the tests.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Sqlite,
    Postgresql,
    Sqs,
    Nats,
}

/// A way from the client to the network, and what was measured of it.
struct Way {
    name: &'static str,
    /// None where the process that is asked looks at the pictures itself.
    queue: Option<Queue>,
    /// Medians of rounds with one worker, in milliseconds.
    times: Vec<f64>,
    /// Answers a second of each round, by [`WORKERS`].
    rates: [Vec<f64>; 2],
}

/// A queue as the roles are told.
struct Queue {
    address: String,
    variables: Vec<(&'static str, String)>,
    /// What runs as long as the queue is used.
    _server: Box<dyn std::any::Any>,
}

/// Measures all ways in turns and prints a line of a table for each.
pub(crate) fn run(subject: &Subject, elastic: &Elastic) -> Result<()> {
    let pictures = subject.pictures()?;
    let requests: Vec<Vec<u8>> = pictures.iter().map(|picture| request(&course_body(picture))).collect();
    let mut ways = vec![Way::new("direct", None)];
    for kind in &elastic.queues {
        ways.push(Way::new(kind.name(), Some(kind.start()?)));
    }
    for round in 0..elastic.rounds {
        for way in &mut ways {
            way.measure(subject, elastic, &requests)
                .with_context(|| format!("{}, round {round}", way.name))?;
        }
    }
    report(&ways)
}

fn report(ways: &[Way]) -> Result<()> {
    let direct = ways.first().context("nothing was measured")?;
    say("| | p50 in ms | over direct | answers/s, 1 worker | of direct | 2 workers | of direct |")?;
    say("|---|---|---|---|---|---|---|")?;
    for way in ways {
        let (time, over) = (median(&way.times), median(&way.times) - median(&direct.times));
        let rates = way.rates.iter().zip(&direct.rates).map(|(rates, direct)| {
            let (rate, share) = (median(rates), 100.0 * median(rates) / median(direct));
            format!("{rate:.1} | {share:.0} %")
        });
        let rates: Vec<String> = rates.collect();
        say(&format!("| {} | {time:.1} | {over:+.1} | {} |", way.name, rates.join(" | ")))?;
    }
    Ok(())
}

impl Way {
    fn new(name: &'static str, queue: Option<Queue>) -> Self {
        Self { name, queue, times: Vec::new(), rates: Default::default() }
    }

    /// One round.
    fn measure(&mut self, subject: &Subject, elastic: &Elastic, requests: &[Vec<u8>]) -> Result<()> {
        for (workers, rates) in WORKERS.into_iter().zip(&mut self.rates) {
            let system = System::start(subject, self.queue.as_ref(), workers)?;
            exchange(&system, requests, WARM_UP)?;
            if workers == 1 {
                self.times.push(median(&exchange(&system, requests, elastic.requests)?));
            }
            let clients: Result<Vec<_>> = (0..elastic.connections).map(|_| system.connect()).collect();
            let asking = |mut client: Client| {
                move |index: usize| client.exchange(&requests[index % requests.len()]).map(|_| 1)
            };
            let mut asking: Vec<_> = clients?.into_iter().map(asking).collect();
            rates.push(rate(&mut asking, elastic.seconds)?);
        }
        Ok(())
    }
}

/// How long so many requests took over one connection, in milliseconds.
fn exchange(system: &System, requests: &[Vec<u8>], count: usize) -> Result<Vec<f64>> {
    let mut client = system.connect()?;
    let exchange = |request: &Vec<u8>| {
        let begun = Instant::now();
        client.exchange(request)?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    };
    requests.iter().cycle().take(count).map(exchange).collect()
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgresql => "PostgreSQL",
            Self::Sqs => "SQS (moto)",
            Self::Nats => "NATS JetStream",
        }
    }

    fn start(self) -> Result<Queue> {
        Ok(match self {
            Self::Sqlite => Queue { address: "db:".to_owned(), variables: Vec::new(), _server: Box::new(()) },
            Self::Postgresql => {
                let server = Server::start()?;
                let variables = vec![("DATABASE_URL", server.url.clone())];
                Queue { address: "db:".to_owned(), variables, _server: Box::new(server) }
            }
            Self::Sqs => {
                let moto = Moto::start();
                let (address, variables) = (format!("sqs:{}", moto.queue("detect")), moto.variables());
                Queue { address, variables: variables.to_vec(), _server: Box::new(moto) }
            }
            Self::Nats => {
                let nats = Nats::start();
                let address = format!("{}/detect", nats.url);
                Queue { address, variables: Vec::new(), _server: Box::new(nats) }
            }
        })
    }
}

/// Processes that answer together.
struct System {
    asked: Process,
    _workers: Vec<Process>,
    _folder: TempDir,
}

impl System {
    /// Starts it, and waits until all of it is ready.
    fn start(subject: &Subject, queue: Option<&Queue>, workers: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (asked, workers) = match queue {
            None => (Process::serve(subject, &["--threads", &workers.to_string()])?, Vec::new()),
            Some(queue) => {
                let workers = (0..workers).map(|_| queue.worker(subject, &folder));
                (queue.tier(subject, &folder)?, workers.collect::<Result<_>>()?)
            }
        };
        for process in workers.iter().chain([&asked]) {
            process.ready()?;
        }
        Ok(Self { asked, _workers: workers, _folder: folder })
    }

    fn connect(&self) -> Result<Client> {
        Client::connect(self.asked.address)
    }
}

impl Queue {
    fn role(&self, subject: &Subject, verb: &str, folder: &TempDir) -> Command {
        let mut command = program(subject);
        command.arg(verb).arg("--data").arg(folder.path()).envs(self.variables.iter().cloned());
        command
    }

    fn tier(&self, subject: &Subject, folder: &TempDir) -> Result<Process> {
        let (mut command, address) = (self.role(subject, "api", folder), free_address()?);
        command.args(["--listen", &address.to_string(), "--detect-through", &self.address]);
        Process::launch(command, address)
    }

    fn worker(&self, subject: &Subject, folder: &TempDir) -> Result<Process> {
        let (mut command, address) = (self.role(subject, "worker", folder), free_address()?);
        command.args(["--detect", &self.address, "--threads", "1", "--admin-listen", &address.to_string()]);
        command.arg("--model").arg(subject.model_path()?);
        Process::launch(command, address)
    }
}
