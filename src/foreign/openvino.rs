//! OpenVINO by its C interface: the shared library of a wheel or of the system.
//!
//! A crate of its makers exists; its numbers for types of elements are those of one version of the library, and they
//! have changed. Here no such number is needed: the library's own tensors are filled, and their size in bytes is held
//! to the one expected.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{NonNull, null, null_mut};

use super::Identity;
use super::library::{Library, c_text};
use super::network::{
    Network, NetworkError, NetworkRequest, Opened, Role, TokenBatch, Vectors, embedding_output, roles,
};
use super::search::Search;

const SEARCH: Search = Search {
    variable: "PERFKIT_OPENVINO_LIBRARY",
    names: &["libopenvino_c.so"],
    packages: &[("openvino/libs", "libopenvino_c.so")],
};

const CPU: &CStr = c"CPU";

type Status = c_int;
type Object = *mut c_void;
type Free = unsafe extern "C" fn(Object);
type Create = unsafe extern "C" fn(*mut Object) -> Status;
/// From one object, another.
type Make = unsafe extern "C" fn(Object, *mut Object) -> Status;
type Count = unsafe extern "C" fn(Object, *mut usize) -> Status;
/// From an object and an index, another.
type At = unsafe extern "C" fn(Object, usize, *mut Object) -> Status;
/// A property of an object by its name.
type Property = unsafe extern "C" fn(Object, *const c_char, *mut *mut c_char) -> Status;

/// `ov_shape_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Shape {
    rank: i64,
    dims: *mut i64,
}

/// `ov_dimension_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Dimension {
    min: i64,
    max: i64,
}

/// `ov_partial_shape_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct PartialShape {
    rank: Dimension,
    dims: *mut Dimension,
}

/// `ov_version_t`.
#[repr(C)]
struct Version {
    build: *const c_char,
    description: *const c_char,
}

/// The functions used, by the names that follow `ov_`.
#[derive(Clone, Copy)]
struct Api {
    get_openvino_version: unsafe extern "C" fn(*mut Version) -> Status,
    version_free: unsafe extern "C" fn(*mut Version),
    get_last_err_msg: unsafe extern "C" fn() -> *const c_char,
    free: unsafe extern "C" fn(*const c_char),
    core_create: Create,
    core_free: Free,
    core_get_property: unsafe extern "C" fn(Object, *const c_char, *const c_char, *mut *mut c_char) -> Status,
    core_read_model: unsafe extern "C" fn(Object, *const c_char, *const c_char, *mut Object) -> Status,
    core_compile_model:
        unsafe extern "C" fn(Object, Object, *const c_char, usize, *mut Object, ...) -> Status,
    model_free: Free,
    model_inputs_size: Count,
    model_outputs_size: Count,
    model_const_input_by_index: At,
    model_const_output_by_index: At,
    model_reshape: unsafe extern "C" fn(Object, *const *const c_char, *const PartialShape, usize) -> Status,
    port_get_any_name: unsafe extern "C" fn(Object, *mut *mut c_char) -> Status,
    output_const_port_free: Free,
    partial_shape_create_static: unsafe extern "C" fn(i64, *const i64, *mut PartialShape) -> Status,
    partial_shape_free: unsafe extern "C" fn(*mut PartialShape),
    compiled_model_free: Free,
    compiled_model_get_property: Property,
    compiled_model_create_infer_request: Make,
    infer_request_free: Free,
    infer_request_infer: unsafe extern "C" fn(Object) -> Status,
    infer_request_get_input_tensor_by_index: At,
    infer_request_get_output_tensor_by_index: At,
    tensor_free: Free,
    tensor_set_shape: unsafe extern "C" fn(Object, Shape) -> Status,
    tensor_get_shape: unsafe extern "C" fn(Object, *mut Shape) -> Status,
    tensor_get_byte_size: Count,
    tensor_data: Make,
    shape_free: unsafe extern "C" fn(*mut Shape) -> Status,
}

/// Looks every function up under its own name.
macro_rules! functions {
    ($library:expr, $($name:ident),* $(,)?) => {
        Api {
            $($name: {
                // SAFETY: the field's type is the signature that the library's headers give for this name.
                unsafe { $library.function(&[concat!("ov_", stringify!($name))]) }?
            }),*
        }
    };
}

impl Api {
    fn of(library: &Library) -> Result<Self, NetworkError> {
        Ok(functions!(
            library,
            get_openvino_version,
            version_free,
            get_last_err_msg,
            free,
            core_create,
            core_free,
            core_get_property,
            core_read_model,
            core_compile_model,
            model_free,
            model_inputs_size,
            model_outputs_size,
            model_const_input_by_index,
            model_const_output_by_index,
            model_reshape,
            port_get_any_name,
            output_const_port_free,
            partial_shape_create_static,
            partial_shape_free,
            compiled_model_free,
            compiled_model_get_property,
            compiled_model_create_infer_request,
            infer_request_free,
            infer_request_infer,
            infer_request_get_input_tensor_by_index,
            infer_request_get_output_tensor_by_index,
            tensor_free,
            tensor_set_shape,
            tensor_get_shape,
            tensor_get_byte_size,
            tensor_data,
            shape_free,
        ))
    }

    /// What an answer other than 0 means, in the library's words.
    fn hold(&self, what: &str, status: Status) -> Result<(), String> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: it takes nothing.
        let text = unsafe { (self.get_last_err_msg)() };
        let words = self.owned_text(text.cast_mut()).unwrap_or_default();
        // Its words begin with the place in its sources; what matters comes last.
        let words: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let words: String = words.last().copied().unwrap_or_default().chars().take(300).collect();
        Err(format!("{what} failed ({status}): {words}"))
    }

    /// A text that the library made for us.
    fn owned_text(&self, text: *mut c_char) -> Option<String> {
        let copied = c_text(text);
        if copied.is_some() {
            // SAFETY: not null, made by the library for its caller, and freed once.
            unsafe { (self.free)(text) };
        }
        copied
    }

    fn version(&self) -> String {
        let mut version = Version { build: null(), description: null() };
        // SAFETY: the structure is the one that it fills.
        let status = unsafe { (self.get_openvino_version)(&raw mut version) };
        let text = c_text(version.build).filter(|_| status == 0);
        if status == 0 {
            // SAFETY: the library filled it, and it is freed once.
            unsafe { (self.version_free)(&raw mut version) };
        }
        // `2026.4.1-21456-0123abc-releases/2026/4`
        let text = text.unwrap_or_default();
        let short = text.split('-').next().filter(|short| !short.is_empty());
        short.map_or_else(|| "of an unknown version".to_owned(), str::to_owned)
    }

    /// Takes over an object that a call has made.
    fn made(&self, what: &str, status: Status, object: Object, free: Free) -> Result<Handle, String> {
        self.hold(what, status)?;
        let object = NonNull::new(object).ok_or_else(|| format!("{what} answered nothing"))?;
        Ok(Handle { object, free })
    }

    /// The object that a function makes of another and an index.
    fn at(&self, what: &str, make: At, of: &Handle, index: usize, free: Free) -> Result<Handle, String> {
        let mut object = null_mut();
        // SAFETY: `of` is an object of the kind that `make` takes, as the callers pair them; an index beyond the end
        // is answered with an error.
        let status = unsafe { make(of.get(), index, &raw mut object) };
        self.made(what, status, object, free)
    }

    /// The names of a model's inputs or outputs.
    fn names(&self, model: &Handle, count: Count, port: At) -> Result<Vec<String>, String> {
        let mut size = 0;
        // SAFETY: a model and a place for its count.
        self.hold("counting the model's ports", unsafe { count(model.get(), &raw mut size) })?;
        let name = |index: usize| {
            let port = self.at("a port of the model", port, model, index, self.output_const_port_free)?;
            let mut text = null_mut();
            // SAFETY: a port, and a place for its name.
            let status = unsafe { (self.port_get_any_name)(port.get(), &raw mut text) };
            // IR files may leave an output without a name.
            Ok(self.owned_text(text).filter(|_| status == 0).unwrap_or_default())
        };
        (0..size).map(name).collect()
    }

    fn byte_size(&self, tensor: &Handle) -> Result<usize, String> {
        let mut bytes = 0;
        // SAFETY: a tensor and a place for its size.
        self.hold("a tensor's size", unsafe { (self.tensor_get_byte_size)(tensor.get(), &raw mut bytes) })?;
        Ok(bytes)
    }

    /// Where a tensor's numbers are.
    fn data(&self, tensor: &Handle) -> Result<*mut c_void, String> {
        let mut data = null_mut();
        // SAFETY: a tensor and a place for the pointer.
        self.hold("a tensor's data", unsafe { (self.tensor_data)(tensor.get(), &raw mut data) })?;
        if data.is_null() { Err("a tensor has no data".to_owned()) } else { Ok(data) }
    }
}

/// An object of the library's, freed once.
struct Handle {
    object: NonNull<c_void>,
    free: Free,
}

// SAFETY: the library's objects are bound to no thread, and one is used by one thread at a time, as `&mut` has it.
unsafe impl Send for Handle {}

impl Handle {
    const fn get(&self) -> Object {
        self.object.as_ptr()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the object was made by the library for us, and this is its kind's own function.
        unsafe { (self.free)(self.get()) };
    }
}

/// Loads the library and a network.
///
/// # Errors
/// The library is not here, does not compute so on this CPU, or it or the file cannot be used.
pub fn open(request: &NetworkRequest) -> Result<Opened, NetworkError> {
    let library = Library::find(&SEARCH)?;
    let api = Api::of(&library)?;
    let mut core = null_mut();
    // SAFETY: a place for the new object.
    let status = unsafe { (api.core_create)(&raw mut core) };
    let core = api.made("starting it", status, core, api.core_free).map_err(NetworkError::Broken)?;
    if let Some(precision) = request.precision {
        can_compute(&api, &core, precision)?;
    }
    let name = request.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let opened = compiled(api, core, request);
    let (network, settings) = opened.map_err(|why| NetworkError::Broken(format!("{name}: {why}")))?;
    let identity = Identity {
        version: api.version(),
        dispatched: None,
        path: Some(library.path()),
        found_by: library.found_by(),
    };
    Ok(Opened { network: Box::new(network), identity, settings })
}

/// Asks for the arithmetic that the device offers.
fn can_compute(api: &Api, core: &Handle, precision: &str) -> Result<(), NetworkError> {
    let mut text = null_mut();
    let key = c"OPTIMIZATION_CAPABILITIES";
    // SAFETY: a core, two C strings, and a place for the answer.
    let status = unsafe { (api.core_get_property)(core.get(), CPU.as_ptr(), key.as_ptr(), &raw mut text) };
    api.hold("asking for the CPU's capabilities", status).map_err(NetworkError::Broken)?;
    let offered = api.owned_text(text).unwrap_or_default();
    let wanted = match precision {
        "f32" => "FP32",
        "f16" => "FP16",
        "bf16" => "BF16",
        other => other,
    };
    if offered.split([' ', ',']).any(|word| word == wanted) {
        return Ok(());
    }
    Err(NetworkError::Unsupported(format!(
        "OpenVINO offers no {precision} on this CPU (it offers {offered})"
    )))
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} holds a zero byte"))
}

/// What it is told; the last of them only where an arithmetic was asked for.
const TOLD: [&CStr; 4] =
    [c"INFERENCE_NUM_THREADS", c"NUM_STREAMS", c"PERFORMANCE_HINT", c"INFERENCE_PRECISION_HINT"];

fn compiled(api: Api, core: Handle, request: &NetworkRequest) -> Result<(Running, String), String> {
    let path = c_string(&request.file.to_string_lossy())?;
    let mut model = null_mut();
    // SAFETY: a core, a C string, no second file, and a place for the model.
    let status = unsafe { (api.core_read_model)(core.get(), path.as_ptr(), null(), &raw mut model) };
    let model = api.made("reading the model", status, model, api.model_free)?;
    let inputs = api.names(&model, api.model_inputs_size, api.model_const_input_by_index)?;
    let roles = roles(&inputs)?;
    let outputs = api.names(&model, api.model_outputs_size, api.model_const_output_by_index)?;
    let output = embedding_output(&outputs).ok_or("it has no output")?;
    if let Some(extents) = request.fixed {
        fix(&api, &model, &inputs, extents)?;
    }
    let threads = c_string(&request.threads.to_string())?;
    let precision = c_string(request.precision.unwrap_or_default())?;
    let values = [threads.as_c_str(), c"1", c"LATENCY", &precision];
    let told = TOLD.len() - usize::from(request.precision.is_none());
    let mut object = null_mut();
    // SAFETY: a core, a model, the device, and at least as many C strings behind the place for the answer as are
    // announced.
    let status = unsafe {
        (api.core_compile_model)(
            core.get(),
            model.get(),
            CPU.as_ptr(),
            2 * told,
            &raw mut object,
            TOLD[0].as_ptr(),
            values[0].as_ptr(),
            TOLD[1].as_ptr(),
            values[1].as_ptr(),
            TOLD[2].as_ptr(),
            values[2].as_ptr(),
            TOLD[3].as_ptr(),
            values[3].as_ptr(),
        )
    };
    let compiled = api.made("compiling the model", status, object, api.compiled_model_free)?;
    let mut object = null_mut();
    // SAFETY: a compiled model and a place for the request.
    let status = unsafe { (api.compiled_model_create_infer_request)(compiled.get(), &raw mut object) };
    let infer = api.made("making a request", status, object, api.infer_request_free)?;
    let settings = settings(&api, &compiled);
    Ok((Running { api, infer, compiled, core, roles, output, fixed: request.fixed }, settings))
}

/// Gives every input the one shape that it will have.
fn fix(api: &Api, model: &Handle, inputs: &[String], extents: [usize; 2]) -> Result<(), String> {
    let names: Vec<CString> = inputs.iter().map(|name| c_string(name)).collect::<Result<_, _>>()?;
    let pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let extents = extents.map(|extent| i64::try_from(extent).unwrap_or(i64::MAX));
    let mut shape = PartialShape { rank: Dimension { min: 0, max: 0 }, dims: null_mut() };
    // SAFETY: as many extents as the rank says, and a place for the shape.
    let status = unsafe { (api.partial_shape_create_static)(2, extents.as_ptr(), &raw mut shape) };
    api.hold("making a shape", status)?;
    let shapes = vec![shape; inputs.len()];
    // SAFETY: a model, and as many names and shapes as are announced; it copies both.
    let status =
        unsafe { (api.model_reshape)(model.get(), pointers.as_ptr(), shapes.as_ptr(), inputs.len()) };
    // SAFETY: made above, freed once, and its copies are not used again.
    unsafe { (api.partial_shape_free)(&raw mut shape) };
    api.hold("fixing the model's shape", status)
}

/// What the compiled model says of how it runs.
fn settings(api: &Api, compiled: &Handle) -> String {
    let told = TOLD.iter().filter_map(|key| {
        let mut text = null_mut();
        // SAFETY: a compiled model, a C string, and a place for the answer.
        let status =
            unsafe { (api.compiled_model_get_property)(compiled.get(), key.as_ptr(), &raw mut text) };
        let value = api.owned_text(text).filter(|_| status == 0)?;
        Some(format!("{}={value}", key.to_string_lossy()))
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A compiled model with what it was made of, freed from the first to the last.
struct Running {
    api: Api,
    infer: Handle,
    #[expect(dead_code, reason = "the request runs in it")]
    compiled: Handle,
    #[expect(dead_code, reason = "the compiled model's plugin lives in it")]
    core: Handle,
    roles: Vec<Role>,
    output: usize,
    fixed: Option<[usize; 2]>,
}

impl Running {
    /// Fills an input, in the library's own memory.
    fn fill(&self, index: usize, numbers: &[i64], extents: [usize; 2]) -> Result<(), String> {
        let api = &self.api;
        let get = api.infer_request_get_input_tensor_by_index;
        let tensor = api.at("an input", get, &self.infer, index, api.tensor_free)?;
        if self.fixed.is_none() {
            let mut dims = extents.map(|extent| i64::try_from(extent).unwrap_or(i64::MAX));
            let shape = Shape { rank: 2, dims: dims.as_mut_ptr() };
            // SAFETY: a tensor, and a shape of as many extents as it says, which is copied.
            api.hold("an input's shape", unsafe { (api.tensor_set_shape)(tensor.get(), shape) })?;
        }
        let bytes = api.byte_size(&tensor)?;
        if bytes != size_of_val(numbers) {
            return Err(format!("an input has {bytes} bytes where {} numbers of 64 bits go", numbers.len()));
        }
        let data = api.data(&tensor)?;
        // SAFETY: the tensor has that many bytes, and they are the library's own memory, which nobody else uses now.
        unsafe { data.copy_from_nonoverlapping(numbers.as_ptr().cast(), bytes) };
        Ok(())
    }

    fn output(&self) -> Result<Vectors, String> {
        let api = &self.api;
        let get = api.infer_request_get_output_tensor_by_index;
        let tensor = api.at("the output", get, &self.infer, self.output, api.tensor_free)?;
        let mut shape = Shape { rank: 0, dims: null_mut() };
        // SAFETY: a tensor and a place for its shape.
        api.hold("the output's shape", unsafe { (api.tensor_get_shape)(tensor.get(), &raw mut shape) })?;
        let rank = usize::try_from(shape.rank).unwrap_or(0);
        let extents: Vec<usize> = if rank == 0 || shape.dims.is_null() {
            Vec::new()
        } else {
            // SAFETY: the library answers as many extents as the rank says.
            let dims = unsafe { std::slice::from_raw_parts(shape.dims, rank) };
            dims.iter().map(|&extent| usize::try_from(extent).unwrap_or(0)).collect()
        };
        // SAFETY: the library filled it, and it is freed once.
        unsafe { (api.shape_free)(&raw mut shape) };
        let count: usize = extents.iter().product();
        let bytes = api.byte_size(&tensor)?;
        if bytes != count * size_of::<f32>() {
            return Err(format!("the output has {bytes} bytes where {count} numbers of 32 bits go"));
        }
        let mut values = vec![0.0_f32; count];
        let data = api.data(&tensor)?;
        // SAFETY: both have that many bytes, and `values` is ours alone.
        unsafe { data.copy_to_nonoverlapping(values.as_mut_ptr().cast(), bytes) };
        Ok(Vectors { values, extents })
    }
}

impl Network for Running {
    fn run(&mut self, batch: &TokenBatch<'_>) -> Result<Vectors, String> {
        let extents = [batch.texts, batch.tokens];
        if let Some(fixed) = self.fixed.filter(|fixed| *fixed != extents) {
            return Err(format!("its shape is fixed to {fixed:?}, and a batch has {extents:?}"));
        }
        for (index, role) in self.roles.iter().enumerate() {
            self.fill(index, role.of(batch), extents)?;
        }
        // SAFETY: a request whose inputs are filled.
        self.api.hold("running the model", unsafe { (self.api.infer_request_infer)(self.infer.get()) })?;
        self.output()
    }
}
