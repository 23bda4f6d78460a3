//! The crate `rten`: ONNX models in Rust alone.

use std::sync::Arc;

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::{Layout, NdTensor, Tensor};

use super::Identity;
use super::network::{
    Network, NetworkError, NetworkRequest, Opened, Role, TokenBatch, Vectors, embedding_output, roles,
};

/// Whether it is part of this build.
pub const BUILT: bool = true;

/// The version that `Cargo.lock` names.
pub(super) const VERSION: &str = "0.27.0";

/// Loads a network.
///
/// # Errors
/// The file cannot be used, or another arithmetic is asked for than its own.
pub fn open(request: &NetworkRequest) -> Result<Opened, NetworkError> {
    if let Some(other) = request.precision.filter(|precision| *precision != "f32") {
        return Err(NetworkError::Unsupported(format!("rten computes in f32 and in bytes, not in {other}")));
    }
    let name = request.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let broken = |why: String| NetworkError::Broken(format!("{name}: {why}"));
    let mut options = ModelOptions::with_all_ops();
    options.prepack_weights(true);
    let model = options.load_file(&request.file).map_err(|error| broken(error.to_string()))?;
    let names = |ids: &[NodeId]| -> Vec<String> {
        let name = |id: &NodeId| model.node_info(*id).and_then(|info| info.name().map(str::to_owned));
        ids.iter().map(|id| name(id).unwrap_or_default()).collect()
    };
    let roles = roles(&names(model.input_ids())).map_err(broken)?;
    let output = embedding_output(&names(model.output_ids()));
    let output = output.and_then(|index| model.output_ids().get(index).copied());
    let output = output.ok_or_else(|| broken("it has no output".to_owned()))?;
    let inputs = model.input_ids().iter().copied().zip(roles).collect();
    let pool = Arc::new(ThreadPool::with_num_threads(request.threads));
    let identity = Identity {
        version: VERSION.to_owned(),
        dispatched: None,
        path: None,
        found_by: "built in".to_owned(),
    };
    let settings = format!("threads={}, weights packed when loaded", request.threads);
    let network = Running { model, inputs, output, pool };
    Ok(Opened { network: Box::new(network), identity, settings })
}

struct Running {
    model: Model,
    inputs: Vec<(NodeId, Role)>,
    output: NodeId,
    pool: Arc<ThreadPool>,
}

impl Network for Running {
    fn run(&mut self, batch: &TokenBatch<'_>) -> Result<Vectors, String> {
        // Its whole numbers have 32 bits, and ids fit.
        let narrow = |number: &i64| i32::try_from(*number).map_err(|error| error.to_string());
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for (id, role) in &self.inputs {
            let numbers = role.of(batch).iter().map(narrow).collect::<Result<Vec<i32>, _>>()?;
            let tensor = NdTensor::from_data([batch.texts, batch.tokens], numbers);
            inputs.push((*id, Value::from(tensor).into()));
        }
        let options = RunOptions::default().with_thread_pool(Some(self.pool.clone()));
        let outputs = self.model.run(inputs, &[self.output], Some(options));
        let output = outputs.map_err(|error| error.to_string())?.pop().ok_or("it gave no embedding")?;
        let output: Tensor<f32> = output.into_tensor().ok_or("its output is not in single precision")?;
        let extents = output.shape().to_vec();
        Ok(Vectors { values: output.into_data(), extents })
    }
}
