//! The report: one page of HTML that needs nothing else.

use std::time::Duration;

use askama::Template;

use super::observations::{about_the_law, observations};
use super::{
    Advice, Environment, Folder, Law, Plan, Question, Result, Results, Spread, TargetPlan, performance,
    response_times,
};

/// Who hands the report in; printed at its top where it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// Name of the author.
    pub author: Option<String>,
    /// Name of the tutor.
    pub tutor: Option<String>,
    /// Name of the account.
    pub login: Option<String>,
    /// Number of the student.
    pub student_number: Option<String>,
}

/// A report, and the plots that are in it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The page.
    pub html: String,
    /// The plot of the mean response times.
    pub response_times: String,
    /// Percentiles and throughput.
    pub performance: String,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: String,
    about: Vec<(&'static str, &'a str)>,
    method: String,
    unit: &'a str,
    response_times: &'a str,
    performance: &'a str,
    workers: Vec<usize>,
    rows: Vec<(usize, Vec<String>)>,
    observations: String,
    law: Option<String>,
    advice: Vec<String>,
    environment: &'a Environment,
}

impl Report {
    /// The report of an experiment. `unit` is what a worker is called: `worker` or `pod`. Without rates to ask for they are half, once and twice
    /// the greatest throughput.
    ///
    /// # Errors
    /// When rows cannot be read or a plot cannot be drawn.
    pub fn of(folder: &Folder, author: &Author, unit: &str, p95: Duration, rates: &[f64]) -> Result<Self> {
        let results = Results::read(folder)?;
        let law = Law::of(&results);
        let (plot, view) = (response_times(&results, unit)?, performance(&results, unit)?);
        let rates = if rates.is_empty() { usual_rates(&results) } else { rates.to_vec() };
        let ask =
            |law: &Law| rates.iter().map(|&rate| Question { rate, p95 }.answered(law)).collect::<Vec<_>>();
        let environment = folder.environment();
        let page = Page {
            title: format!("Response time against {unit}s and client threads"),
            about: author.lines(),
            method: method(folder.plan(), &results, environment, unit),
            unit,
            response_times: &plot,
            performance: &view,
            workers: results.workers(),
            rows: rows(&results),
            observations: observations(folder.plan(), &results, environment.processors, unit).join(" "),
            law: law.map(|law| about_the_law(&law, &results, unit)),
            advice: law.iter().flat_map(ask).map(|advice| sentence(&advice, unit)).collect(),
            environment,
        };
        Ok(Self { html: page.render()?, response_times: plot, performance: view })
    }

    /// The words of the text, without those of plots and tables.
    pub fn words(&self) -> usize {
        let text = ["style", "svg", "table"].iter().fold(self.html.clone(), |text, tag| without(&text, tag));
        let text = text.split('<').filter_map(|part| part.split_once('>').map(|(_, text)| text));
        text.flat_map(str::split_whitespace).filter(|word| word.chars().any(char::is_alphanumeric)).count()
    }
}

impl Author {
    fn lines(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("Author", &self.author),
            ("Login", &self.login),
            ("Student number", &self.student_number),
            ("Tutor", &self.tutor),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

/// A sentence about an answer, such as for people.
pub(crate) fn sentence(advice: &Advice, unit: &str) -> String {
    let Question { rate, p95 } = advice.question;
    let limit = p95.as_secs_f64();
    let asked = format!("For a 95th percentile below {limit} s at {rate:.1} requests a second");
    match (advice.workers, advice.p95_s) {
        (Some(workers), Some(time)) => {
            let (plural, verb) = if workers == 1 { ("", "is") } else { ("s", "are") };
            format!("{asked} {workers} {unit}{plural} {verb} needed (expected: {time:.2} s).")
        }
        _ => format!("{asked} no number of {unit}s is enough."),
    }
}

fn usual_rates(results: &Results) -> Vec<f64> {
    let peaks = results.workers().into_iter().filter_map(|workers| results.peak(workers));
    let greatest = peaks.map(|peak| peak.throughput.mean).fold(0.0, f64::max);
    [0.5, 1.0, 2.0].map(|times| times * greatest).into_iter().filter(|rate| *rate > 0.0).collect()
}

/// How it was measured, in a few sentences.
fn method(plan: &Plan, results: &Results, environment: &Environment, unit: &str) -> String {
    let cpus = match &plan.method.target {
        TargetPlan::Processes { cpus: Some(cpus), .. } => {
            format!("A {unit} may use {cpus} of the {} processors.", environment.processors)
        }
        TargetPlan::Processes { cpus: None, .. } => {
            format!("A {unit} computes on one thread, without a limit.")
        }
        TargetPlan::Kubernetes { cpus: Some(cpus), .. } => format!("A {unit} may use {cpus} processors."),
        TargetPlan::Kubernetes { cpus: None, .. } => format!("What a {unit} may use is in its manifest."),
    };
    let requests = results.runs.iter().map(|run| run.requests).max().unwrap_or_default();
    format!(
        "Each cell of the table is {} runs of {requests} requests, one picture a request over a connection of its own, sent by so many client threads that each wait for their answer. {cpus} The mean is over answered requests only.",
        plan.matrix.repeats
    )
}

/// A row for each number of threads.
fn rows(results: &Results) -> Vec<(usize, Vec<String>)> {
    let cell = |workers, threads| {
        results.at(workers, threads).map_or("–".to_owned(), |point| value(&point.mean_s))
    };
    let row = |threads| results.workers().into_iter().map(|workers| cell(workers, threads)).collect();
    results.threads().into_iter().map(|threads| (threads, row(threads))).collect()
}

fn value(spread: &Spread) -> String {
    match spread.half_width_95 {
        Some(half) => format!("{:.3} ± {half:.3}", spread.mean),
        None => format!("{:.3}", spread.mean),
    }
}

/// A text without the elements of this name.
fn without(text: &str, tag: &str) -> String {
    let (begin, end) = (format!("<{tag}"), format!("</{tag}>"));
    let mut parts = text.split(&begin);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once(&end).map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::super::Matrix;
    use super::super::plan::tests::plan;
    use super::*;

    /// A folder with the course's matrix: a service whose time is 0.1 s × threads ÷ workers.
    fn measured_folder(place: &std::path::Path) -> Folder {
        let folder = Folder::begin(place, plan(Matrix::course()), Environment::of_this_machine()).unwrap();
        for cell in Matrix::course().cells() {
            let time = 100.0 * (cell.threads as f64 / cell.workers as f64).max(1.0) + cell.repeat as f64;
            let mut rows = "index,picture,client,intended_ms,started_ms,latency_ms,status,sent_bytes,received_bytes,instance,id,error\n".to_owned();
            for index in 0..128 {
                let begun = (index / cell.threads) as f64 * time;
                rows += &format!(
                    "{index},a.jpg,0,{begun},{begun},{time},200,1,1,w{},matched,\n",
                    index % cell.workers
                );
            }
            fs_err::write(folder.rows(cell), rows).unwrap();
        }
        folder
    }

    fn author() -> Author {
        let some = |text: &str| Some(text.to_owned());
        Author {
            author: some("Ada <b>"),
            tutor: some("Bob"),
            login: some("ada1"),
            student_number: some("123"),
        }
    }

    #[test]
    fn w17_the_report_has_the_course_lines_the_means_and_at_most_500_words() {
        let place = tempfile::tempdir().unwrap();
        let folder = measured_folder(place.path());
        let report = Report::of(&folder, &author(), "pod", Duration::from_secs(2), &[]).unwrap();
        for text in ["Ada &#60;b&#62;", "Bob", "ada1", "123", "Student number"] {
            assert!(report.html.contains(text), "{text}");
        }
        let results = Results::read(&folder).unwrap();
        for point in &results.points {
            let shown = value(&point.mean_s);
            assert!(report.html.contains(&shown), "{shown}");
        }
        assert_eq!(report.html.matches("<svg").count(), 2);
        assert!((150..=500).contains(&report.words()), "{}", report.words());
    }

    #[tokio::test]
    async fn w17_the_report_of_the_course_has_at_most_two_pages() {
        let place = tempfile::tempdir().unwrap();
        let folder = measured_folder(place.path());
        let report = Report::of(&folder, &author(), "worker", Duration::from_secs(2), &[]).unwrap();
        let (page, printed) = (place.path().join("report.html"), place.path().join("report.pdf"));
        fs_err::write(&page, &report.html).unwrap();
        super::super::pdf(&page, &printed).await.unwrap();
        let text = String::from_utf8_lossy(&fs_err::read(&printed).unwrap()).into_owned();
        let pages = text.matches("/Type /Page").count() - text.matches("/Type /Pages").count();
        assert!((1..=2).contains(&pages), "{pages} pages");
    }

    #[test]
    fn what_limits_a_worker_is_told_as_it_is_known() {
        let place = tempfile::tempdir().unwrap();
        let folder = measured_folder(place.path());
        let results = Results::read(&folder).unwrap();
        let told = |target| {
            let mut plan = folder.plan().clone();
            plan.method.target = target;
            method(&plan, &results, folder.environment(), "pod")
        };
        let processes = |cpus| TargetPlan::Processes { model: None, cpus, memory_mb: None };
        let pods = |cpus| TargetPlan::Kubernetes {
            deployment: "d".into(),
            namespace: None,
            server: None,
            token_file: None,
            url: "http://127.0.0.1".into(),
            cpus,
        };
        assert!(told(processes(Some(0.5))).contains("0.5 of the"));
        assert!(told(processes(None)).contains("one thread"));
        assert!(told(pods(Some(0.5))).contains("0.5 processors"));
        assert!(told(pods(None)).contains("in its manifest"));
    }

    #[test]
    fn words_are_counted_without_plots_and_tables() {
        let html = "<html><style>a b</style><p>one two &amp; three</p><svg><text>x</text></svg><table><tr>y</tr></table>four –</html>";
        let report =
            Report { html: html.to_owned(), response_times: String::new(), performance: String::new() };
        assert_eq!(report.words(), 5);
    }

    #[test]
    fn the_questions_are_answered_in_words() {
        let law = Law { one: 10.0, contention: 0.0, coherency: 0.0 };
        let ask = |rate, p95| {
            sentence(&Question { rate, p95: Duration::from_millis(p95) }.answered(&law), "worker")
        };
        assert!(ask(1.0, 2000).contains("1 worker is needed"), "{}", ask(1.0, 2000));
        assert!(ask(50.0, 2000).contains("workers are needed"));
        assert!(ask(50.0, 10).contains("no number of workers"));
    }
}
