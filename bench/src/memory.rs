//! Resident memory after 100 and after 1,000 requests.

use anyhow::Result;

use crate::client::{Client, request};
use crate::process::Process;
use crate::say;
use crate::subject::{Subject, course_body};

/// Connections at once.
const CONNECTIONS: usize = 8;

/// Sends requests and prints the memory of the server process on the way.
pub(crate) fn run(subject: &Subject) -> Result<()> {
    let requests: Vec<Vec<u8>> =
        subject.pictures()?.iter().map(|picture| request(&course_body(picture))).collect();
    let process = Process::start(subject)?;
    process.ready()?;
    let megabytes = |process: &Process| process.resident().map(|bytes| bytes as f64 / 1e6);
    let ready = megabytes(&process)?;
    send(&process, &requests, 0..100)?;
    let early = megabytes(&process)?;
    send(&process, &requests, 100..1000)?;
    let late = megabytes(&process)?;
    say(&format!(
        "resident: {ready:.1} MB when ready, {early:.1} MB after 100 requests, {late:.1} MB after 1,000"
    ))
}

fn send(process: &Process, requests: &[Vec<u8>], range: std::ops::Range<usize>) -> Result<()> {
    let address = process.address;
    std::thread::scope(|scope| {
        let share = |first: usize| {
            let numbers = range.clone().skip(first).step_by(CONNECTIONS);
            scope.spawn(move || {
                let mut client = Client::connect(address)?;
                numbers
                    .into_iter()
                    .try_for_each(|number| client.exchange(&requests[number % requests.len()]).map(drop))
            })
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(share).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a client panicked")))
    })
}
