//! Measures the cells that lack.

use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{Cell, Error, Folder, Measured, Result, Target};
use crate::{Config, Load, Pace};

/// What happens while an experiment is measured.
#[derive(Debug, Clone)]
pub enum Event {
    /// So many cells are there already.
    Begun {
        /// Cells that are there.
        have: usize,
        /// Cells of the matrix.
        want: usize,
    },
    /// The number of workers is being set.
    Scales {
        /// Workers.
        workers: usize,
    },
    /// A cell is measured.
    Measured(Box<Measured>),
}

/// Measures every cell of the matrix that the folder does not have yet. Stopped or failed, it goes on the next time with the cell
/// that it was at.
///
/// # Errors
/// When the target cannot be scaled, a cell has failures and the plan does not allow them, or it was stopped.
pub async fn run(
    folder: &Folder,
    target: &mut dyn Target,
    stop: &CancellationToken,
    mut tell: impl FnMut(Event) + Send,
) -> Result<()> {
    let matrix = &folder.plan().matrix;
    let (want, mut have) = (matrix.len(), matrix.len() - matrix.missing(folder));
    tell(Event::Begun { have, want });
    let mut scaled = None;
    for cell in matrix.cells().filter(|cell| !folder.has(*cell)) {
        if stop.is_cancelled() {
            // A cell would send its first requests before it sees this.
            return Err(Error::Stopped { have, want });
        }
        if scaled != Some(cell.workers) {
            tell(Event::Scales { workers: cell.workers });
            let scaling = stop.run_until_cancelled(target.scale(cell.workers)).await;
            scaling.unwrap_or(Err(Error::Stopped { have, want }))?;
            scaled = Some(cell.workers);
        }
        let measured = measure(folder, target.origin(), cell, stop).await?;
        let Some(measured) = measured else { return Err(Error::Stopped { have, want }) };
        have += 1;
        tell(Event::Measured(Box::new(measured)));
    }
    folder.write_table(&folder.measured()?)
}

/// Measures one cell; none where it was stopped.
async fn measure(
    folder: &Folder,
    origin: &str,
    cell: Cell,
    stop: &CancellationToken,
) -> Result<Option<Measured>> {
    let load = Load::prepare(config(folder, origin, cell))?;
    info!(%cell, "cell begins");
    let summary = load.run(stop.cancelled(), |_| {}).await?;
    let rows = folder.unfinished(cell);
    if stop.is_cancelled() {
        fs_err::remove_file(rows)?;
        return Ok(None);
    }
    if summary.failed > 0 && !folder.plan().method.allow_failures {
        fs_err::rename(&rows, folder.refused(cell))?;
        let kinds: Vec<String> =
            summary.failures.iter().map(|(kind, group)| format!("{kind} {}", group.count)).collect();
        let (failed, requests, rows) = (summary.failed, summary.requests, folder.refused(cell));
        return Err(Error::Failures { cell, failed, requests, kinds: kinds.join(", "), rows });
    }
    let measured = Measured::read(cell, &rows)?;
    fs_err::rename(&rows, folder.rows(cell))?;
    Ok(Some(measured))
}

/// The load test of a cell.
fn config(folder: &Folder, origin: &str, cell: Cell) -> Config {
    let method = &folder.plan().method;
    let url = format!("{}{}", origin.trim_end_matches('/'), method.dialect.path());
    Config {
        dialect: method.dialect,
        pace: Pace::Closed { threads: cell.threads },
        requests: method.requests,
        warm_up: method.warm_up * cell.workers as u64,
        timeout: method.timeout(),
        // A balancer chooses a worker for each connection.
        new_connections: true,
        csv: Some(folder.unfinished(cell)),
        ..Config::new(url, &method.folder)
    }
}
