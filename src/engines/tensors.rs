//! Weights by name, as f32: from a memory-mapped safetensors file, or generated.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::EngineError;
use crate::sys::memory::MappedFile;
use crate::tensor::AlignedBuffer;

/// Where a model's weights come from.
pub trait Tensors: Send + Sync {
    /// The tensor `name` (without any `bert.` in front) of `shape`, row by row.
    ///
    /// # Errors
    /// It is missing, has another shape, or a number type that is not f32, f16 or bf16.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<AlignedBuffer<f32>, EngineError>;

    /// The two-dimensional tensor `name`, for reading single rows; what can stay on disk stays there.
    ///
    /// # Errors
    /// As for [`Tensors::tensor`].
    fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table, EngineError>;

    /// The number type that the weights are stored in.
    fn stored_dtype(&self) -> &'static str;
}

/// A table of vectors.
#[derive(Clone)]
pub struct Table {
    width: usize,
    rows: Rows,
}

#[derive(Clone)]
enum Rows {
    Owned(Arc<AlignedBuffer<f32>>),
    Mapped { file: Arc<MappedFile>, bytes: Range<usize>, dtype: FloatType },
}

impl Table {
    /// A table in memory; `values` holds whole rows of `width`.
    #[must_use]
    pub fn from_values(values: AlignedBuffer<f32>, width: usize) -> Self {
        Self { width, rows: Rows::Owned(Arc::new(values)) }
    }

    /// Copies row `index` to `out`.
    ///
    /// # Panics
    /// When `index` is not below the number of rows, or `out` is not a row long.
    pub fn copy_row(&self, index: usize, out: &mut [f32]) {
        match &self.rows {
            Rows::Owned(values) => out.copy_from_slice(&values[index * self.width..][..self.width]),
            Rows::Mapped { file, bytes, dtype } => {
                let row = self.width * dtype.bytes();
                dtype.convert(&file.bytes()[bytes.clone()][index * row..][..row], out);
            }
        }
    }
}

/// The number types that weights may be stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FloatType {
    F32,
    F16,
    Bf16,
}

impl FloatType {
    const fn of(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F32 => Some(Self::F32),
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::Bf16),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Little-endian numbers to f32; the file's bytes have no alignment of their own.
    fn convert(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => {
                for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *out = f32::from_le_bytes(*bytes);
                }
            }
            Self::Bf16 => {
                for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *out = bf16::from_le_bytes(*bytes).to_f32();
                }
            }
            Self::F16 => convert_f16(bytes, out),
        }
    }
}

/// In pieces, because the conversion of a slice uses the CPU's own instruction and that of one number may not.
fn convert_f16(bytes: &[u8], out: &mut [f32]) {
    let mut piece = [f16::ZERO; 256];
    for (out, bytes) in out.chunks_mut(piece.len()).zip(bytes.chunks(2 * piece.len())) {
        for (half, bytes) in piece.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *half = f16::from_le_bytes(*bytes);
        }
        piece[..out.len()].convert_to_f32_slice(out);
    }
}

/// A safetensors file, mapped.
pub struct SafetensorsFile {
    path: PathBuf,
    file: Arc<MappedFile>,
    entries: HashMap<String, Entry>,
}

/// One tensor of the file.
struct Entry {
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Range<usize>,
}

impl SafetensorsFile {
    /// Maps the file and checks its header against its length.
    ///
    /// # Errors
    /// The file is missing or unreadable, or its header does not describe its contents.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let file = MappedFile::open(path).map_err(|e| EngineError::unreadable(path, &e))?;
        let start = file.bytes().as_ptr().addr();
        let tensors = SafeTensors::deserialize(file.bytes()).map_err(|e| {
            let why = super::config::shown(&e.to_string());
            EngineError::model(path, format!("not a whole safetensors file ({why}); fetch the model again"))
        })?;
        let entry = |(name, tensor): (&str, TensorView<'_>)| {
            let first = tensor.data().as_ptr().addr() - start;
            let name = current_name(name);
            let bytes = first..first + tensor.data().len();
            (name, Entry { shape: tensor.shape().to_vec(), dtype: tensor.dtype(), bytes })
        };
        let entries = tensors.iter().map(entry).collect();
        Ok(Self { path: path.to_owned(), file: Arc::new(file), entries })
    }

    /// Where the numbers of a tensor lie in the file, and their type.
    fn find(&self, name: &str, shape: &[usize]) -> Result<(Range<usize>, FloatType), EngineError> {
        let error = |why: String| EngineError::model(&self.path, why);
        let entry = self.entries.get(name).ok_or_else(|| {
            error(format!(
                "it has no tensor {name}; it does not belong to this config.json, fetch the model again"
            ))
        })?;
        if entry.shape != shape {
            return Err(error(format!(
                "tensor {name} has shape {:?} and config.json asks for {shape:?}; fetch the model again",
                entry.shape
            )));
        }
        let dtype = FloatType::of(entry.dtype).ok_or_else(|| {
            error(format!(
                "tensor {name} holds {:?}; f32, f16 and bf16 are read: save the model in one of them",
                entry.dtype
            ))
        })?;
        Ok((entry.bytes.clone(), dtype))
    }
}

/// Published under several names: a bare encoder or one inside a model with a head (`bert.` in front), and the scale
/// and shift of a normalisation by their old names.
fn current_name(name: &str) -> String {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
}

impl Tensors for SafetensorsFile {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<AlignedBuffer<f32>, EngineError> {
        let (range, dtype) = self.find(name, shape)?;
        let mut values = AlignedBuffer::zeroed(shape.iter().product());
        dtype.convert(&self.file.bytes()[range], &mut values);
        if let Some(bad) = values.iter().position(|x| !x.is_finite()) {
            return Err(EngineError::model(
                &self.path,
                format!(
                    "tensor {name} holds {} at {bad}; the file is damaged, fetch the model again",
                    values[bad]
                ),
            ));
        }
        Ok(values)
    }

    fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table, EngineError> {
        let (bytes, dtype) = self.find(name, &[rows, width])?;
        Ok(Table { width, rows: Rows::Mapped { file: self.file.clone(), bytes, dtype } })
    }

    fn stored_dtype(&self) -> &'static str {
        let of = |entry: &Entry| FloatType::of(entry.dtype);
        let widest = self.entries.values().filter_map(of).max_by_key(|dtype| dtype.bytes());
        widest.map_or("unknown", FloatType::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_type_becomes_the_same_f32() {
        let values: Vec<f32> = (0..600_u16).map(|i| f32::from(i) * 0.25 - 70.0).collect();
        let f32s: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let f16s: Vec<u8> = values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
        let bf16s: Vec<u8> = values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
        for (dtype, bytes, tolerance) in [
            (FloatType::F32, f32s, 0.0),
            (FloatType::F16, f16s, 0.0),
            // Eight bits of precision at up to 128.
            (FloatType::Bf16, bf16s, 0.25),
        ] {
            let mut out = vec![0.0; values.len()];
            dtype.convert(&bytes, &mut out);
            let far = out.iter().zip(&values).find(|(a, b)| (*a - *b).abs() > tolerance);
            assert_eq!(far, None, "{dtype:?}");
        }
    }
}
