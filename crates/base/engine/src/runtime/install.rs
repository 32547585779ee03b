//! Obtaining the library of ONNX Runtime: the one inside the official Python package, taken through `pip`.
//!
//! `pip` brings what companies need to reach a package index: mirrors, proxies, certificates, a cache. What it
//! brings back is checked against hashes that are written down here, so that it does not matter from where. The
//! package for CPython 3.11 is taken whatever Python is here, because only the library inside is wanted, and that
//! is the same for every version.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::onnxruntime::{self, PATH_VARIABLE};
use crate::files;

/// The version of ONNX Runtime that is installed.
pub const VERSION: &str = "1.31.1";

/// An official package.
#[derive(Debug, Clone, Copy)]
struct Wheel {
    /// The platform tag under which the index holds it.
    platform: &'static str,
    /// SHA-256 of the package, in hexadecimal.
    sha256: &'static str,
}

/// The package for a processor and Linux with glibc 2.28 or newer.
///
/// The hashes are those of `onnxruntime-1.31.1-cp311-cp311-manylinux_2_28_<processor>.whl` as PyPI served them to
/// `pip download` in November 2026, computed with `sha256sum`.
const fn wheel(processor: &str) -> Option<Wheel> {
    match processor.as_bytes() {
        b"x86_64" => Some(Wheel {
            platform: "manylinux_2_28_x86_64",
            sha256: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        }),
        b"aarch64" => Some(Wheel {
            platform: "manylinux_2_28_aarch64",
            sha256: "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        }),
        _ => None,
    }
}

/// A library that was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The library.
    pub path: PathBuf,
    /// Its version, as it says itself.
    pub version: String,
    /// Another library that is used instead of it, because [`PATH_VARIABLE`] names it or its version is newer.
    pub shadowed_by: Option<PathBuf>,
}

/// The library of ONNX Runtime could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// There is no official library that fits.
    #[error(
        "there is no library of ONNX Runtime {VERSION} to install for {platform}: install one by other means and name its file in {PATH_VARIABLE}, or use `--engine rten`"
    )]
    Platform {
        /// System and processor.
        platform: String,
    },
    /// There is no Python.
    #[error(
        "`{program}` was not found, and its pip is needed to download ONNX Runtime: install Python 3 with pip, or name a library of ONNX Runtime in {PATH_VARIABLE}"
    )]
    NoPython {
        /// The program that was looked for.
        program: String,
    },
    /// Python has no pip.
    #[error(
        "`{program}` has no pip, which is needed to download ONNX Runtime: install it (on Debian `apt install python3-pip`), or name a library of ONNX Runtime in {PATH_VARIABLE}"
    )]
    NoPip {
        /// The Python that was used.
        program: String,
    },
    /// The package index was not reached.
    #[error(
        "pip cannot reach its package index: {reason}; check the network and any proxy, or set PIP_INDEX_URL to a mirror, then run this again"
    )]
    Offline {
        /// What pip says last.
        reason: String,
    },
    /// pip failed otherwise.
    #[error(
        "pip cannot download onnxruntime {VERSION}: {reason}; mend that, or name a library of ONNX Runtime in {PATH_VARIABLE}"
    )]
    Pip {
        /// What pip says last.
        reason: String,
    },
    /// The package is another one than expected.
    #[error(
        "pip brought a package with the SHA-256 {found}, but {expected} was expected: it was damaged or replaced, and is not installed; check the package index that pip uses"
    )]
    WrongHash {
        /// The hash that is written down.
        expected: String,
        /// The hash of the package.
        found: String,
    },
    /// The library does not work on this machine.
    #[error(
        "ONNX Runtime was downloaded but does not load here, and is not installed: {reason}; use `--engine rten`"
    )]
    Broken {
        /// What the loader says.
        reason: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Installs the library into `lib/` of a data folder and says each step to `report`. Takes seconds to minutes.
///
/// The library is tried in another process first: a process loads only one in its life, and a broken one may end it.
///
/// # Errors
/// See [`InstallError`]; what was installed before is left as it was.
pub fn install(data_folder: &Path, report: impl Fn(&str)) -> Result<Installed, InstallError> {
    install_with(OsStr::new("python3"), data_folder, &report)
}

fn install_with(
    python: &OsStr,
    data_folder: &Path,
    report: &dyn Fn(&str),
) -> Result<Installed, InstallError> {
    let wheel = fitting_wheel()?;
    let folder = data_folder.join("lib");
    fs_err::create_dir_all(&folder)?;
    let staging = tempfile::Builder::new().prefix(".install-").tempdir_in(&folder)?;

    report(&format!("downloading onnxruntime {VERSION} for {} with pip", wheel.platform));
    let package = download(python, wheel, staging.path())?;
    report("checking its hash");
    check(&package, wheel.sha256)?;
    report("trying the library");
    let library = unpack(python, &package)?;
    let version = tried(python, &library)?;

    let path = folder.join(format!("libonnxruntime.so.{VERSION}"));
    fs_err::File::open(&library)?.sync_all()?;
    fs_err::rename(&library, &path)?;
    files::sync_folder(&folder)?;
    let first = onnxruntime::candidates(&folder).into_iter().next();
    Ok(Installed { shadowed_by: first.filter(|first| *first != path), path, version })
}

fn fitting_wheel() -> Result<Wheel, InstallError> {
    let processor = std::env::consts::ARCH;
    let is_linux = cfg!(all(target_os = "linux", target_env = "gnu"));
    let platform = || format!("{} on {processor}", std::env::consts::OS);
    wheel(processor).filter(|_| is_linux).ok_or_else(|| InstallError::Platform { platform: platform() })
}

/// Lets pip put the package into a folder; answers its file.
fn download(python: &OsStr, wheel: Wheel, folder: &Path) -> Result<PathBuf, InstallError> {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--platform", wheel.platform]);
    command.args(["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]);
    command.args(["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2"]);
    command.arg("--dest").arg(folder).arg(format!("onnxruntime=={VERSION}"));
    let output = run(python, &mut command)?;
    if !output.status.success() {
        return Err(pip_failure(python, &String::from_utf8_lossy(&output.stderr)));
    }
    let mut files = fs_err::read_dir(folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let package = files.find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    package.ok_or_else(|| InstallError::Pip { reason: "it ended well but left no package".into() })
}

fn run(python: &OsStr, command: &mut Command) -> Result<Output, InstallError> {
    command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => InstallError::NoPython { program: python.to_string_lossy().into_owned() },
        _ => InstallError::Io(error),
    })
}

/// What pip's complaints mean. It says "no matching distribution" offline too, after warnings of each retry.
fn pip_failure(python: &OsStr, complaints: &str) -> InstallError {
    let says = |words: &[&str]| words.iter().any(|word| complaints.contains(word));
    if says(&["No module named pip"]) {
        return InstallError::NoPip { program: python.to_string_lossy().into_owned() };
    }
    if says(&["Retrying (", "Connection", "ProxyError", "SSLError", "ReadTimeout", "Max retries exceeded"]) {
        return InstallError::Offline { reason: connection_failure(complaints).to_owned() };
    }
    InstallError::Pip { reason: last_line(complaints).to_owned() }
}

/// The heart of `Retrying (…) after connection broken by 'NewConnectionError('<… at 0x7f…>: <heart>')': /simple/…`.
fn connection_failure(complaints: &str) -> &str {
    let heart = complaints
        .lines()
        .find_map(|line| line.split_once("Retrying (")?.1.split_once(">: ")?.1.split("')").next());
    heart.unwrap_or(last_line(complaints))
}

fn last_line(text: &str) -> &str {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it does not say why")
}

fn check(package: &Path, expected: &str) -> Result<(), InstallError> {
    let found = files::sha256_of_file(package)?;
    let is_same = found == expected;
    is_same.then_some(()).ok_or_else(|| InstallError::WrongHash { expected: expected.to_owned(), found })
}

/// Unpacks the package beside itself; answers the library in it.
fn unpack(python: &OsStr, package: &Path) -> Result<PathBuf, InstallError> {
    let folder = package.with_extension("unpacked");
    let output = run(python, Command::new(python).args(["-m", "zipfile", "-e"]).args([package, &folder]))?;
    if !output.status.success() {
        let reason = last_line(&String::from_utf8_lossy(&output.stderr)).to_owned();
        return Err(io::Error::other(format!("the package cannot be unpacked: {reason}")).into());
    }
    Ok(folder.join(format!("onnxruntime/capi/libonnxruntime.so.{VERSION}")))
}

/// Loads the library and asks its version: `OrtApiBase` in `onnxruntime_c_api.h` holds two function pointers, of
/// which the second answers it.
const TRIAL: &str = "
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.OrtGetApiBase.restype = ctypes.POINTER(ctypes.c_void_p * 2)
version = ctypes.CFUNCTYPE(ctypes.c_char_p)(library.OrtGetApiBase().contents[1])
print(version().decode())
";

/// The version that the library answers in another process.
fn tried(python: &OsStr, library: &Path) -> Result<String, InstallError> {
    let output = run(python, Command::new(python).arg("-c").arg(TRIAL).arg(library))?;
    let (answer, complaints) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match answer.trim() {
        VERSION if output.status.success() => Ok(VERSION.to_owned()),
        "" => Err(InstallError::Broken { reason: last_line(&complaints).to_owned() }),
        other => Err(InstallError::Broken { reason: format!("it says that it is version {other}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_for_two_processors() {
        for processor in ["x86_64", "aarch64"] {
            let wheel = wheel(processor).unwrap();
            assert!(wheel.platform.ends_with(processor));
            assert!(wheel.sha256.len() == 64 && wheel.sha256.chars().all(|digit| digit.is_ascii_hexdigit()));
        }
        assert!(wheel("riscv64").is_none());
    }

    #[test]
    fn a_missing_python_is_said_and_nothing_is_left() {
        let data = tempfile::tempdir().unwrap();
        let error = install_with(OsStr::new("no-such-python"), data.path(), &|_| {}).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`no-such-python` was not found") && text.contains(PATH_VARIABLE), "{text}");
        assert_eq!(fs_err::read_dir(data.path().join("lib")).unwrap().count(), 0);
    }

    #[test]
    fn the_complaints_of_pip_are_told_apart() {
        let failure = |complaints: &str| pip_failure(OsStr::new("python3"), complaints);
        let no_pip = failure("/usr/bin/python3: No module named pip\n");
        assert!(matches!(no_pip, InstallError::NoPip { .. }), "{no_pip}");

        let offline = failure(
            "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError('<connection at 0x7f>: \
             Connection refused')': /simple/onnxruntime/\n\
             ERROR: Could not find a version that satisfies the requirement onnxruntime==1.31.1\n\
             ERROR: No matching distribution found for onnxruntime==1.31.1\n",
        );
        assert!(
            offline.to_string().contains("cannot reach its package index: Connection refused; check"),
            "{offline}"
        );
        let timed_out = failure("ERROR: ReadTimeoutError: the index does not answer\n").to_string();
        assert!(timed_out.contains("index: ERROR: ReadTimeoutError"), "{timed_out}");

        let absent = failure("ERROR: No matching distribution found for onnxruntime==1.31.1\n\n");
        assert!(matches!(absent, InstallError::Pip { .. }), "{absent}");
        assert!(absent.to_string().contains("No matching distribution"), "{absent}");
    }

    #[test]
    fn another_package_is_refused_with_both_hashes() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("x.whl");
        fs_err::write(&package, b"another package").unwrap();
        let error = check(&package, &"0".repeat(64)).unwrap_err().to_string();
        assert!(
            error.contains(&"0".repeat(64)) && error.contains(&files::sha256(&[b"another package"])),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_no_library_does_not_pass_the_trial() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so");
        fs_err::write(&library, b"no library").unwrap();
        let error = tried(OsStr::new("python3"), &library).unwrap_err();
        assert!(matches!(error, InstallError::Broken { .. }), "{error}");
        assert!(error.to_string().contains("--engine rten"), "{error}");
    }
}
