//! ONNX Runtime, loaded at run time.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::{Network, Program, RuntimeError, RuntimeKind, TensorView};

/// The variable that names the library outright.
pub const PATH_VARIABLE: &str = "ORT_DYLIB_PATH";

/// The file name of the library, without a version.
const FILE_NAME: &str = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };

/// Where a system keeps shared libraries.
const SYSTEM_FOLDERS: [&str; 6] = [
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/opt/onnxruntime/lib",
];

/// The library of ONNX Runtime, loaded into this process.
#[derive(Debug)]
pub struct Library {
    /// The file that it was loaded from.
    pub path: PathBuf,
    /// Its version, such as `1.31.1`.
    pub version: String,
    environment: Environment,
}

/// The library of ONNX Runtime could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// No file was found.
    #[error(
        "ONNX Runtime is not installed: there is no {FILE_NAME} in {PATH_VARIABLE}, in {}, beside the program or in the system's \
         library folders; run `sightscan engine install`, or use `--engine rten`", data_folder.display()
    )]
    NotFound {
        /// The folder of the data folder that was searched.
        data_folder: PathBuf,
    },
    /// A file was found, but does not work.
    #[error("ONNX Runtime at {} does not load: {reason}; run `sightscan engine install`, or use `--engine rten`", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
}

/// The library, searched for and loaded once in the life of the process.
///
/// # Errors
/// When there is none, or the first one found does not load.
pub fn library() -> Result<&'static Library, LibraryError> {
    static LIBRARY: OnceLock<Result<Library, LibraryError>> = OnceLock::new();
    LIBRARY.get_or_init(find_and_load).as_ref().map_err(LibraryError::clone)
}

fn find_and_load() -> Result<Library, LibraryError> {
    let data_folder = crate::model::folder::data_folder().join("lib");
    let path = candidates(&data_folder).into_iter().next().ok_or(LibraryError::NotFound { data_folder })?;
    load(&path).map_err(|reason| LibraryError::Broken { path, reason })
}

fn load(path: &Path) -> Result<Library, String> {
    let environment = ort::init_from(path)
        .map_err(|error| error.to_string())?
        .with_name("sightscan")
        .with_telemetry(false)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Library { path: path.to_path_buf(), version: version(ort::info(), path), environment })
}

/// The version that the library was built from, else the one in its file name.
fn version(build_info: &str, path: &Path) -> String {
    let release = build_info.split("git-branch=rel-").nth(1).and_then(|rest| rest.split([',', ' ']).next());
    let numbers = || version_of(path).iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    release.map_or_else(numbers, str::to_owned)
}

/// Every library that could be used, best first: the variable, the data folder, beside the program, the system.
pub fn candidates(data_folder: &Path) -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os(PATH_VARIABLE).filter(|path| !path.is_empty()) {
        return vec![PathBuf::from(path)];
    }
    let beside = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_path_buf));
    let system = SYSTEM_FOLDERS.iter().map(PathBuf::from);
    let folders = std::iter::once(data_folder.to_path_buf()).chain(beside).chain(system);
    folders.flat_map(|folder| libraries_in(&folder)).collect()
}

/// The files in a folder that are named like the library, the newest version first.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut found: Vec<PathBuf> = names.filter(|path| is_library(path)).collect();
    found.sort_by_key(|path| std::cmp::Reverse(version_of(path)));
    found
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == FILE_NAME || name.strip_prefix(FILE_NAME).is_some_and(|rest| rest.starts_with('.'))
}

/// The numbers at the end of a name such as `libonnxruntime.so.1.31.1`.
fn version_of(path: &Path) -> Vec<u32> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split('.').filter_map(|part| part.parse().ok()).collect()
}

/// A network for ONNX Runtime. Each instance is a session of its own.
pub struct OrtProgram {
    library: &'static Library,
    onnx: Arc<[u8]>,
}

impl OrtProgram {
    /// Keeps the bytes of an `.onnx` file for the sessions to come.
    ///
    /// # Errors
    /// When the library is missing, or does not accept the network.
    pub fn load(onnx: Arc<[u8]>) -> Result<Self, RuntimeError> {
        let program = Self { library: library()?, onnx };
        // Whether the network is accepted shows when a session is made; without optimisation that takes little time.
        program.session(NonZeroUsize::MIN, GraphOptimizationLevel::Disable)?;
        Ok(program)
    }

    fn session(
        &self,
        threads: NonZeroUsize,
        optimisation: GraphOptimizationLevel,
    ) -> Result<Session, RuntimeError> {
        let refused = |error: ort::Error| RuntimeError::Load {
            runtime: RuntimeKind::OnnxRuntime,
            source: Box::new(error),
        };
        self.build(threads, optimisation).map_err(refused)
    }

    fn build(
        &self,
        threads: NonZeroUsize,
        optimisation: GraphOptimizationLevel,
    ) -> Result<Session, ort::Error> {
        Session::builder(&self.library.environment)?
            .with_optimization_level(optimisation)?
            .with_intra_threads(threads.get())?
            .with_inter_threads(1)?
            // Spinning threads burn the share of a processor that other instances need.
            .with_intra_op_spinning(false)?
            .commit_from_memory(&self.onnx)
    }
}

impl Program for OrtProgram {
    fn runtime(&self) -> RuntimeKind {
        RuntimeKind::OnnxRuntime
    }

    fn instance(&self, threads: NonZeroUsize) -> Result<Box<dyn Network>, RuntimeError> {
        let session = self.session(threads, GraphOptimizationLevel::All)?;
        Ok(Box::new(OrtNetwork { session }))
    }
}

struct OrtNetwork {
    session: Session,
}

impl Network for OrtNetwork {
    fn run(
        &mut self,
        input: TensorView<'_>,
        read: &mut dyn FnMut(&[TensorView<'_>]),
    ) -> Result<(), RuntimeError> {
        self.compute(input, read)
            .map_err(|error| RuntimeError::Run { runtime: RuntimeKind::OnnxRuntime, source: Box::new(error) })
    }
}

impl OrtNetwork {
    fn compute(
        &mut self,
        input: TensorView<'_>,
        read: &mut dyn FnMut(&[TensorView<'_>]),
    ) -> Result<(), ort::Error> {
        let tensor = TensorRef::from_array_view((input.shape, input.data))?;
        let outputs = self.session.run(ort::inputs![tensor])?;
        let tensors = outputs.keys().map(|name| outputs[name].try_extract_tensor::<f32>());
        let tensors = tensors.collect::<Result<Vec<_>, _>>()?;
        let shape = |shape: &ort::value::Shape| shape.iter().map(|&size| size as usize).collect();
        let shapes: Vec<Vec<usize>> = tensors.iter().map(|tensor| shape(tensor.0)).collect();
        let views: Vec<TensorView<'_>> =
            shapes.iter().zip(&tensors).map(|(shape, tensor)| TensorView { shape, data: tensor.1 }).collect();
        read(&views);
        Ok(())
    }
}
