//! What is made of rows while the test runs: the CSV file, the tally, the observer's view.

use std::path::Path;
use std::sync::Arc;

use fs_err::File;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::summary::Tally;
use crate::{Error, Row};

/// Rows that may wait for the disk before clients have to.
const QUEUE: usize = 1024;

/// What an observer is told, in the order in which it happened to each client.
#[derive(Debug, Clone)]
pub enum Event {
    /// A request is about to leave.
    Started {
        /// Path of the picture.
        picture: Arc<str>,
    },
    /// A request ended.
    Finished {
        /// How it went.
        row: Row,
        /// The body of the answer, for the course's dialects.
        answer: Option<String>,
    },
}

/// The thread that takes events until every sender is gone and then returns the tally. It ends early only if the file
/// cannot be written, which the senders notice.
pub(crate) struct Recorder {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) tally: JoinHandle<Result<Tally, Error>>,
}

impl Recorder {
    pub(crate) fn start(
        csv: Option<&Path>,
        observer: impl FnMut(&Event) + Send + 'static,
    ) -> Result<Self, Error> {
        let rows = csv.map(RowFile::create).transpose()?;
        let (events, queue) = mpsc::channel(QUEUE);
        Ok(Self { events, tally: tokio::task::spawn_blocking(move || record(queue, rows, observer)) })
    }
}

fn record(
    mut events: mpsc::Receiver<Event>,
    mut rows: Option<RowFile>,
    mut observer: impl FnMut(&Event),
) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    while let Some(event) = events.blocking_recv() {
        if let Event::Finished { row, .. } = &event {
            tally.add(row);
            rows.as_mut().map_or(Ok(()), |rows| rows.write(row))?;
        }
        observer(&event);
        // Whenever there is nothing else to do the file is brought up to date, so that a killed run keeps its rows.
        if events.is_empty() {
            rows.as_mut().map_or(Ok(()), RowFile::flush)?;
        }
    }
    Ok(tally)
}

/// The CSV file of rows.
struct RowFile {
    writer: csv::Writer<File>,
}

impl RowFile {
    fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(|source| failed(path, source))?;
        Ok(Self { writer: csv::Writer::from_writer(file) })
    }

    fn write(&mut self, row: &Row) -> Result<(), Error> {
        self.writer.serialize(row).map_err(|source| self.failed(source))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.writer.flush().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: impl Into<csv::Error>) -> Error {
        failed(self.writer.get_ref().path(), source)
    }
}

fn failed(path: &Path, source: impl Into<csv::Error>) -> Error {
    Error::Csv { path: path.to_owned(), source: source.into() }
}
