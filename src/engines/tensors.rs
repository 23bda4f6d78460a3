//! Weights by name, as f32: from a memory-mapped safetensors file, or generated.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::EngineError;
use super::names::PREFIXES;
use crate::sys::memory::MappedFile;
use crate::tensor::AlignedBuffer;

/// Where a model's weights come from.
pub trait Tensors: Send + Sync {
    /// The tensor `name` (without any `bert.` or so in front) of `shape`, row by row.
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

    /// A hash of all the numbers of the tensors whose names begin with `prefix`, and of their names and shapes; `None`
    /// where there is nothing to tell apart.
    fn hash(&self, prefix: &str) -> Option<u64>;

    /// The files that hold the numbers; none where they are generated.
    fn files(&self) -> Vec<&Path> {
        Vec::new()
    }
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

/// Safetensors files, mapped: one, or the parts that an index names.
pub struct Safetensors {
    /// What to name when a tensor is not there.
    path: PathBuf,
    entries: HashMap<String, Entry>,
}

/// One tensor of a file.
struct Entry {
    path: Arc<PathBuf>,
    file: Arc<MappedFile>,
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Range<usize>,
}

/// The file of a model that is in one piece, and the index of one that is not.
pub(super) const WHOLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// Which file holds a tensor, by the tensor's name.
#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that the index at `path` names, each once.
///
/// # Errors
/// The index is unreadable, or names a file outside its folder.
pub(super) fn parts(path: &Path) -> Result<BTreeSet<String>, EngineError> {
    let index: Index = super::folder::read_json(path)?;
    let parts: BTreeSet<String> = index.weight_map.into_values().collect();
    let is_plain = |name: &str| Path::new(name).file_name().is_some_and(|file| file == name);
    if let Some(odd) = parts.iter().find(|name| !is_plain(name) || !name.ends_with(".safetensors")) {
        let odd = super::config::shown(odd);
        return Err(EngineError::model(
            path,
            format!("{odd:?} is no safetensors file beside it; fetch the model again"),
        ));
    }
    if parts.is_empty() {
        return Err(EngineError::model(path, "it names no file; fetch the model again"));
    }
    Ok(parts)
}

impl Safetensors {
    /// Maps the weights in `folder`: `model.safetensors`, or the parts that its index names.
    ///
    /// # Errors
    /// A file is missing or unreadable, or its header does not describe its contents.
    pub fn open(folder: &Path) -> Result<Self, EngineError> {
        let (path, index) = (folder.join(WHOLE), folder.join(INDEX));
        if path.exists() || !index.exists() {
            let entries = read_file(&path)?;
            return Ok(Self { path, entries });
        }
        let mut entries = HashMap::new();
        for part in parts(&index)? {
            entries.extend(read_file(&folder.join(part))?);
        }
        Ok(Self { path: index, entries })
    }

    /// Where the numbers of a tensor lie in the file, and their type.
    fn find(&self, name: &str, shape: &[usize]) -> Result<(&Entry, FloatType), EngineError> {
        let entry = self.entries.get(name).ok_or_else(|| {
            EngineError::model(
                &self.path,
                format!(
                    "it has no tensor {name}; it does not belong to this config.json, fetch the model again"
                ),
            )
        })?;
        let error = |why: String| EngineError::model(&entry.path, why);
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
        Ok((entry, dtype))
    }
}

/// Maps a file and checks its header against its length.
fn read_file(path: &Path) -> Result<HashMap<String, Entry>, EngineError> {
    let file = Arc::new(MappedFile::open(path).map_err(|e| EngineError::unreadable(path, &e))?);
    let start = file.bytes().as_ptr().addr();
    let tensors = SafeTensors::deserialize(file.bytes()).map_err(|e| {
        let why = super::config::shown(&e.to_string());
        EngineError::model(path, format!("not a whole safetensors file ({why}); fetch the model again"))
    })?;
    let path = Arc::new(path.to_owned());
    let entry = |(name, tensor): (&str, TensorView<'_>)| {
        let first = tensor.data().as_ptr().addr() - start;
        let bytes = first..first + tensor.data().len();
        let (path, file) = (path.clone(), file.clone());
        (
            current_name(name),
            Entry { path, file, shape: tensor.shape().to_vec(), dtype: tensor.dtype(), bytes },
        )
    };
    Ok(tensors.iter().map(entry).collect())
}

/// A hash of 64 bits that reads gigabytes a second, against accidents and not against intent: eight lanes of
/// folded products of words, which do not wait for one another, put together at the end.
pub(super) fn hash_bytes(start: u64, bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<64>();
    let mut lanes: [u64; 8] = std::array::from_fn(|lane| hash_step(start, lane as u64));
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = hash_step(*lane, u64::from_le_bytes(*word));
        }
    }
    let folded = lanes.into_iter().fold(bytes.len() as u64, hash_step);
    let hash = rest.iter().fold(folded, |hash, &byte| hash_step(hash, u64::from(byte)));
    hash_step(hash, hash >> 32)
}

/// Both halves of a product together depend on every bit of its factors; the low one alone, on the bits below.
#[expect(clippy::cast_possible_truncation, reason = "the halves of a product")]
const fn hash_step(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word) as u128 * 0x9E37_79B9_7F4A_7C15;
    product as u64 ^ (product >> 64) as u64
}

/// Published under several names: a bare encoder or one inside a model with a head (`bert.` or so in front), and the scale
/// and shift of a normalisation by their old names.
fn current_name(name: &str) -> String {
    let name = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
}

impl Tensors for Safetensors {
    fn files(&self) -> Vec<&Path> {
        let files: BTreeSet<&Path> = self.entries.values().map(|entry| entry.path.as_path()).collect();
        files.into_iter().collect()
    }

    fn hash(&self, prefix: &str) -> Option<u64> {
        let mut names: Vec<&String> = self.entries.keys().filter(|name| name.starts_with(prefix)).collect();
        names.sort_unstable();
        let mut hash = 0;
        for name in names {
            let entry = &self.entries[name];
            let outline = format!("{name} {:?} {:?}", entry.shape, entry.dtype);
            hash = hash_bytes(hash, outline.as_bytes());
            hash = hash_bytes(hash, &entry.file.bytes()[entry.bytes.clone()]);
        }
        Some(hash)
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<AlignedBuffer<f32>, EngineError> {
        let (entry, dtype) = self.find(name, shape)?;
        let len = shape.iter().product::<usize>();
        let none = EngineError::Memory { bytes: len.saturating_mul(size_of::<f32>()) };
        let mut values = AlignedBuffer::try_zeroed(len).ok_or(none)?;
        dtype.convert(&entry.file.bytes()[entry.bytes.clone()], &mut values);
        if let Some(bad) = values.iter().position(|x| !x.is_finite()) {
            return Err(EngineError::model(
                &entry.path,
                format!(
                    "tensor {name} holds {} at {bad}; the file is damaged, fetch the model again",
                    values[bad]
                ),
            ));
        }
        Ok(values)
    }

    fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table, EngineError> {
        let (entry, dtype) = self.find(name, &[rows, width])?;
        let (file, bytes) = (entry.file.clone(), entry.bytes.clone());
        Ok(Table { width, rows: Rows::Mapped { file, bytes, dtype } })
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
    fn a_hash_changes_with_every_bit_and_with_the_length() {
        let bytes: Vec<u8> = (0..200_u8).collect();
        let mut seen = std::collections::HashSet::new();
        assert!((0..=bytes.len()).all(|len| seen.insert(hash_bytes(0, &bytes[..len]))));
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(hash_bytes(0, &changed)), "bit {bit}");
        }
        assert!(seen.insert(hash_bytes(1, &bytes)));
    }

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
