//! ONNX Runtime: the shared library of a wheel or of the system, by the crate `ort`.

use std::ffi::c_char;
use std::sync::Mutex;

use ort::environment::Environment;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use super::Identity;
use super::library::{Library, c_text};
use super::network::{
    Network, NetworkError, NetworkRequest, Opened, Role, TokenBatch, Vectors, embedding_output, roles,
};
use super::search::Search;

const SEARCH: Search = Search {
    variable: "PERFKIT_ONNXRUNTIME_LIBRARY",
    names: &["libonnxruntime.so.1", "libonnxruntime.so"],
    packages: &[("onnxruntime/capi", "libonnxruntime.so")],
};

/// The one environment that a process may have; it is never closed, since sessions may run in it.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Loads the library and a network.
///
/// # Errors
/// The library is not here, or it or the file cannot be used.
pub fn open(request: &NetworkRequest) -> Result<Opened, NetworkError> {
    if let Some(other) = request.precision.filter(|precision| *precision != "f32") {
        return Err(NetworkError::Unsupported(format!(
            "ONNX Runtime's kernels for CPUs compute in f32 and in bytes, not in {other}"
        )));
    }
    let library = Library::find(&SEARCH)?;
    let version = version(&library)?;
    let environment = environment(&library)?;
    let broken = |why: String| NetworkError::Broken(format!("{}: {why}", file_name(request)));
    let session = session(&environment, request).map_err(broken)?;
    let names = |outlets: &[ort::value::Outlet]| -> Vec<String> {
        outlets.iter().map(|outlet| outlet.name().to_owned()).collect()
    };
    let inputs = names(session.inputs());
    let roles = roles(&inputs).map_err(broken)?;
    let outputs = names(session.outputs());
    let output = embedding_output(&outputs).ok_or_else(|| broken("it has no output".to_owned()))?;
    let output = outputs[output].clone();
    let settings = format!(
        "intra_op_num_threads={}, graph_optimization_level=all, the rest as it comes",
        request.threads
    );
    let identity =
        Identity { version, dispatched: None, path: Some(library.path()), found_by: library.found_by() };
    let network = Running { session, inputs: inputs.into_iter().zip(roles).collect(), output };
    Ok(Opened { network: Box::new(network), identity, settings })
}

fn file_name(request: &NetworkRequest) -> String {
    request.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `1.31.1`, from the one function that the library exports.
fn version(library: &Library) -> Result<String, NetworkError> {
    type Base = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: the signature of `OrtGetApiBase` in `onnxruntime_c_api.h`.
    let base: Base = unsafe { library.function(&["OrtGetApiBase"]) }?;
    // SAFETY: it takes nothing.
    let base = unsafe { base() };
    if base.is_null() {
        return Err(NetworkError::Broken("OrtGetApiBase answers nothing".to_owned()));
    }
    // SAFETY: not null, and by the header a structure of two functions that lives as long as the library.
    let base = unsafe { &*base };
    // SAFETY: the second of them takes nothing and answers a C string.
    let text: *const c_char = unsafe { (base.GetVersionString)() };
    Ok(c_text(text).unwrap_or_else(|| "of an unknown version".to_owned()))
}

fn environment(library: &Library) -> Result<Environment, NetworkError> {
    let mut kept = ENVIRONMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(environment) = &*kept {
        return Ok(environment.clone());
    }
    let broken = |why: String| NetworkError::Broken(format!("{}: {why}", library.path().display()));
    let builder = ort::init_from(library.path()).map_err(|error| broken(error.to_string()))?;
    let environment = builder.with_telemetry(false).build().map_err(|error| broken(error.to_string()))?;
    Ok(kept.insert(environment).clone())
}

fn session(environment: &Environment, request: &NetworkRequest) -> Result<Session, String> {
    let builder = Session::builder(environment).map_err(|error| error.to_string())?;
    let builder = builder.with_intra_threads(request.threads).map_err(|error| error.to_string())?;
    let builder = builder.with_optimization_level(GraphOptimizationLevel::All);
    let mut builder = builder.map_err(|error| error.to_string())?;
    builder.commit_from_file(&request.file).map_err(|error| error.to_string())
}

struct Running {
    session: Session,
    inputs: Vec<(String, Role)>,
    output: String,
}

impl Network for Running {
    fn run(&mut self, batch: &TokenBatch<'_>) -> Result<Vectors, String> {
        let extents = [batch.texts, batch.tokens];
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(self.inputs.len());
        for (name, role) in &self.inputs {
            let tensor = TensorRef::from_array_view((extents, role.of(batch)));
            inputs.push((name, tensor.map_err(|error| error.to_string())?.into()));
        }
        let outputs = self.session.run(inputs).map_err(|error| error.to_string())?;
        let output = outputs.get(&self.output).ok_or("it gave no embedding")?;
        let (extents, values) = output.try_extract_tensor::<f32>().map_err(|error| error.to_string())?;
        let extents = extents.iter().map(|&extent| usize::try_from(extent).unwrap_or(0)).collect();
        Ok(Vectors { values: values.to_vec(), extents })
    }
}
