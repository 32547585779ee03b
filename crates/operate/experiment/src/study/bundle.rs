//! An experiment in one zip file, with what is needed to repeat it.

use std::io::Write;
use std::path::Path;

use fs_err::File;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Error, Folder, Result};

/// What is made of an experiment and handed in, where it is there.
const RESULTS: [&str; 8] = [
    "experiment.json",
    "cells.csv",
    "report.html",
    "report.pdf",
    "response-times.svg",
    "response-times.png",
    "performance.svg",
    "performance.png",
];

/// Does all of it again in a cluster.
const SCRIPT: &str = "k8s/run";

/// What starts the service in a cluster, as it is in this project.
const DEPLOYMENT: [(&str, &str); 6] = [
    ("docker/Dockerfile", include_str!("../../../../../deploy/docker/Dockerfile")),
    ("k8s/cluster.yaml", include_str!("../../../../../deploy/k8s/kind/cluster.yaml")),
    ("k8s/deployment.yaml", include_str!("../../../../../deploy/k8s/course/deployment.yaml")),
    ("k8s/service.yaml", include_str!("../../../../../deploy/k8s/course/service.yaml")),
    (SCRIPT, include_str!("../../../../../deploy/k8s/course/run")),
    ("k8s/kustomization.yaml", include_str!("../../../../../deploy/k8s/course/kustomization.yaml")),
];

/// Writes the zip file; gives the number of files in it.
pub(crate) fn write(folder: &Folder, to: &Path) -> Result<usize> {
    let failed = |why: &dyn std::fmt::Display| Error::Bundle { path: to.to_owned(), why: why.to_string() };
    let mut files: Vec<(String, Vec<u8>)> = vec![("ReadMe.txt".to_owned(), READ_ME.into())];
    files.extend(DEPLOYMENT.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())));
    for name in RESULTS.iter().filter(|name| folder.path().join(name).exists()) {
        files.push(((*name).to_owned(), fs_err::read(folder.path().join(name))?));
    }
    for cell in folder.plan().matrix.cells().filter(|cell| folder.has(*cell)) {
        let path = folder.rows(cell);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((format!("requests/{name}"), fs_err::read(path)?));
    }
    let count = files.len();
    let mut zip = ZipWriter::new(File::create(to)?);
    for (name, bytes) in files {
        let mode = if name == SCRIPT { 0o755 } else { 0o644 };
        let options = SimpleFileOptions::default().unix_permissions(mode);
        zip.start_file(name, options).map_err(|error| failed(&error))?;
        zip.write_all(&bytes)?;
    }
    zip.finish().map_err(|error| failed(&error))?;
    Ok(count)
}

const READ_ME: &str = "\
An experiment of SightScan: response time against workers and client threads

  report.html, report.pdf    the report
  response-times.svg, .png   mean response time by workers, a line for each number of threads
  performance.svg, .png      percentiles and throughput
  cells.csv                  a line a cell
  requests/                  every request of each cell: w2-t16-r1.csv is 2 workers, 16 threads, first repeat
  experiment.json            what was measured, and on which machine
  docker/Dockerfile          the image: docker build -f docker/Dockerfile --target course, in the sources of SightScan
  k8s/                       the cluster (kind create cluster --config k8s/cluster.yaml) and the service
                             (kubectl apply -k k8s; kubectl scale deployment ... --replicas 3)
  k8s/run                    all of that, the experiment and the report: k8s/run PICTURES FOLDER, in the sources of SightScan

Video: <link>
";
