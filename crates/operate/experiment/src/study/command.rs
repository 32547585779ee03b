//! `sightscan experiment …`: what each verb does, told line by line.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::flags::{BundleFlags, PredictFlags, ReportFlags, RunFlags};
use super::page::sentence;
use super::{
    Command, Environment, Error, Event, Flags, Folder, Law, Measured, Question, Report, Result, Results,
    bundle, pdf, png, run, target,
};

/// Takes a line for the user.
pub type Told<'a> = &'a mut (dyn FnMut(String) + Send);

/// Does what the flags say. `program` is the file of this program, which workers are started with.
///
/// # Errors
/// When it cannot be done; what was measured is kept.
pub async fn execute(flags: Flags, program: PathBuf, stop: CancellationToken, tell: Told<'_>) -> Result<()> {
    match flags.command {
        Command::Run(flags) => measure(&flags, program, &stop, tell).await,
        Command::Report(flags) => report(&flags, tell).await,
        Command::Predict(flags) => predict(&flags, tell),
        Command::Bundle(flags) => pack(&flags, tell),
    }
}

async fn measure(flags: &RunFlags, program: PathBuf, stop: &CancellationToken, tell: Told<'_>) -> Result<()> {
    let folder = Folder::begin(&flags.out, flags.plan()?, Environment::of_this_machine())?;
    let mut target = target::of(&folder, program).await?;
    let mut clock = Clock { begun: Instant::now(), have: 0, done: 0, want: 0 };
    let ran = run(&folder, target.as_mut(), stop, |event| tell(clock.line(&event))).await;
    target.end().await?;
    ran?;
    tell(format!(
        "measured: {0}; write the report with `sightscan experiment report {0}`",
        flags.out.display()
    ));
    Ok(())
}

/// Knows how long is left.
struct Clock {
    begun: Instant,
    have: usize,
    done: usize,
    want: usize,
}

impl Clock {
    fn line(&mut self, event: &Event) -> String {
        match event {
            Event::Begun { have, want } => {
                (self.have, self.want) = (*have, *want);
                format!("{want} cells, {have} of them are measured already")
            }
            Event::Scales { workers } => format!("workers: {workers}"),
            Event::Measured(measured) => {
                self.done += 1;
                self.measured(measured)
            }
        }
    }

    fn measured(&self, run: &Measured) -> String {
        let left = self.want - self.have - self.done;
        let each = self.begun.elapsed().as_secs_f64() / self.done as f64;
        format!(
            "{:>4}/{}  {}: mean {:.3} s, 95 % {:.3} s, {:.1}/s, {} failed{}",
            self.have + self.done,
            self.want,
            run.cell,
            run.mean_s,
            run.p95_s,
            run.throughput(),
            run.failed(),
            if left > 0 { format!("; about {} left", minutes(each * left as f64)) } else { String::new() }
        )
    }
}

fn minutes(seconds: f64) -> String {
    let seconds = Duration::from_secs_f64(seconds).as_secs();
    format!("{}:{:02} min", seconds / 60, seconds % 60)
}

/// Opens an experiment that is measured, wholly unless parts are enough.
fn measured(path: &Path, is_partial: bool) -> Result<Folder> {
    let folder = Folder::open(path)?;
    let matrix = &folder.plan().matrix;
    let (want, missing) = (matrix.len(), matrix.missing(&folder));
    if missing == want || missing > 0 && !is_partial {
        return Err(Error::Incomplete { have: want - missing, want, folder: path.to_owned() });
    }
    Ok(folder)
}

async fn report(flags: &ReportFlags, tell: Told<'_>) -> Result<()> {
    let folder = measured(&flags.folder, flags.partial)?;
    folder.write_table(&folder.measured()?)?;
    let report = Report::of(&folder, &flags.author(), &flags.unit, flags.p95, &flags.rate)?;
    let page = flags.folder.join("report.html");
    fs_err::write(&page, &report.html)?;
    tell(format!("{} ({} words)", page.display(), report.words()));
    for (name, svg) in [("response-times", &report.response_times), ("performance", &report.performance)] {
        let file = flags.folder.join(format!("{name}.svg"));
        fs_err::write(&file, svg)?;
        tell(file.display().to_string());
        let image = file.with_extension("png");
        forget(&image)?;
        match png(svg) {
            Ok(bytes) => {
                fs_err::write(&image, bytes)?;
                tell(image.display().to_string());
            }
            Err(error @ Error::NoFont) => tell(format!("no PNG: {error}")),
            Err(error) => return Err(error),
        }
    }
    let printed = flags.folder.join("report.pdf");
    forget(&printed)?;
    match pdf(&page, &printed).await {
        Ok(()) => tell(printed.display().to_string()),
        Err(error) => tell(format!("no PDF: {error}")),
    }
    Ok(())
}

/// Removes what was made of an earlier report, so that it does not pass for this one's.
fn forget(file: &Path) -> Result<()> {
    match fs_err::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn predict(flags: &PredictFlags, tell: Told<'_>) -> Result<()> {
    if !(flags.rate > 0.0 && flags.rate.is_finite()) {
        return Err(Error::Plan("--rate must be a number of requests a second above 0".to_owned()));
    }
    let results = Results::read(&measured(&flags.folder, true)?)?;
    let law = Law::of(&results).ok_or_else(|| Error::NoExperiment(flags.folder.clone()))?;
    let advice = Question { rate: flags.rate, p95: flags.p95 }.answered(&law);
    if flags.json {
        let text = serde_json::json!({ "law": law, "rate": flags.rate, "p95_s": advice.p95_s, "workers": advice.workers });
        tell(text.to_string());
    } else {
        tell(sentence(&advice, "worker"));
    }
    Ok(())
}

fn pack(flags: &BundleFlags, tell: Told<'_>) -> Result<()> {
    let folder = measured(&flags.folder, true)?;
    if !flags.folder.join("report.html").exists() {
        return Err(Error::NoReport(flags.folder.clone()));
    }
    let files = bundle::write(&folder, &flags.out)?;
    tell(format!("{} ({files} files)", flags.out.display()));
    Ok(())
}
