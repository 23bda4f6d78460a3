//! An ONNX graph under construction, and the file it becomes. Weights are read from the model one at a time, as they are
//! written: the file may be larger than what is free of the memory.

use std::io::{self, Write};

use super::protobuf::Message;
use crate::engines::{EngineError, Tensors};

/// Version 17 is the first with `LayerNormalization`, and every current engine reads it.
const OPSET: i64 = 17;
/// The format's version that came with it.
const IR_VERSION: i64 = 8;
/// Files of protobuf end at 2 GiB, and readers copy them whole: from here on weights stand in a file beside.
const MOST_INSIDE: u64 = 1 << 30;
/// Smaller constants stand in the graph in any case.
const LEAST_BESIDE: u64 = 1024;
/// What a page of memory may be, so that an engine can map the weights.
const ALIGNMENT: u64 = 4096;

/// A number type, by its code in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Float = 1,
    Int8 = 3,
    Int64 = 7,
}

/// Where a constant's bytes come from.
enum Source {
    Here(Vec<u8>),
    /// A weight of the model, `[outputs, inputs]`, to be written as `[inputs, outputs]` where it is turned.
    Weight {
        name: String,
        shape: Vec<usize>,
        turned: bool,
    },
}

struct Constant {
    name: String,
    kind: Type,
    dims: Vec<usize>,
    source: Source,
}

impl Constant {
    fn len(&self) -> u64 {
        let bytes = match self.kind {
            Type::Float => 4,
            Type::Int8 => 1,
            Type::Int64 => 8,
        };
        self.dims.iter().product::<usize>() as u64 * bytes
    }

    fn write(&self, tensors: &dyn Tensors, out: &mut dyn Write) -> Result<(), WriteError> {
        match &self.source {
            Source::Here(bytes) => out.write_all(bytes)?,
            Source::Weight { name, shape, turned } => {
                let values = tensors.tensor(name, shape)?;
                let mut bytes = Vec::with_capacity(4 * values.len());
                match shape.as_slice() {
                    &[outputs, inputs] if *turned => {
                        for column in 0..inputs {
                            bytes.extend(
                                (0..outputs).flat_map(|row| values[row * inputs + column].to_le_bytes()),
                            );
                        }
                    }
                    _ => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
                }
                out.write_all(&bytes)?;
            }
        }
        Ok(())
    }
}

/// Why a graph is not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Model(#[from] EngineError),
}

/// An attribute of a node.
pub(super) enum Attribute<'a> {
    Integer(&'a str, i64),
    Integers(&'a str, &'a [i64]),
    Float(&'a str, f32),
}

impl Attribute<'_> {
    fn message(&self) -> Message {
        let mut message = Message::default();
        let name = match self {
            Self::Integer(name, value) => {
                message.integer(3, *value);
                message.integer(20, 2);
                name
            }
            Self::Integers(name, values) => {
                values.iter().for_each(|value| message.integer(8, *value));
                message.integer(20, 7);
                name
            }
            Self::Float(name, value) => {
                message.float(2, *value);
                message.integer(20, 1);
                name
            }
        };
        message.bytes(1, name.as_bytes());
        message
    }
}

/// An extent of an input or output.
pub(super) enum Dimension {
    Named(&'static str),
    Fixed(usize),
}

/// Nodes and constants in order, every value named once.
#[derive(Default)]
pub(super) struct Graph {
    parts: Message,
    constants: Vec<Constant>,
    count: usize,
}

impl Graph {
    /// An input of the graph.
    pub(super) fn input(&mut self, name: &str, kind: Type, dims: &[Dimension]) {
        self.parts.message(11, &declared(name, kind, dims));
    }

    /// An output, under the name of a value that a node has.
    pub(super) fn output(&mut self, name: &str, kind: Type, dims: &[Dimension]) {
        self.parts.message(12, &declared(name, kind, dims));
    }

    /// A name that no value has yet.
    pub(super) fn unused(&mut self, about: &str) -> String {
        self.count += 1;
        format!("{about}_{}", self.count)
    }

    /// A node with one output; answers its name.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[Attribute<'_>]) -> String {
        let name = self.unused(operator);
        self.named_node(operator, inputs, &[&name], attributes);
        name
    }

    /// A node whose outputs are named by the caller.
    pub(super) fn named_node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[Attribute<'_>],
    ) {
        let mut node = Message::default();
        inputs.iter().for_each(|name| node.bytes(1, name.as_bytes()));
        outputs.iter().for_each(|name| node.bytes(2, name.as_bytes()));
        node.bytes(3, outputs.first().copied().unwrap_or_default().as_bytes());
        node.bytes(4, operator.as_bytes());
        attributes.iter().for_each(|attribute| node.message(5, &attribute.message()));
        self.parts.message(1, &node);
    }

    /// A constant whose numbers are known.
    pub(super) fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Type::Float, dims.to_vec(), Source::Here(bytes))
    }

    /// Whole numbers, in one row.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Type::Int64, vec![values.len()], Source::Here(bytes))
    }

    /// One whole number.
    pub(super) fn integer(&mut self, value: i64) -> String {
        self.constant(Type::Int64, Vec::new(), Source::Here(value.to_le_bytes().to_vec()))
    }

    /// Signed bytes.
    pub(super) fn bytes(&mut self, dims: &[usize], values: &[i8]) -> String {
        let bytes = values.iter().map(|value| value.cast_unsigned()).collect();
        self.constant(Type::Int8, dims.to_vec(), Source::Here(bytes))
    }

    /// A weight of the model as it is.
    pub(super) fn weight(&mut self, name: &str, shape: &[usize]) -> String {
        let source = Source::Weight { name: name.to_owned(), shape: shape.to_vec(), turned: false };
        self.constant(Type::Float, shape.to_vec(), source)
    }

    /// A weight of `[outputs, inputs]` as `[inputs, outputs]`.
    pub(super) fn turned_weight(&mut self, name: &str, [outputs, inputs]: [usize; 2]) -> String {
        let source = Source::Weight { name: name.to_owned(), shape: vec![outputs, inputs], turned: true };
        self.constant(Type::Float, vec![inputs, outputs], source)
    }

    fn constant(&mut self, kind: Type, dims: Vec<usize>, source: Source) -> String {
        let name = self.unused("constant");
        self.constants.push(Constant { name: name.clone(), kind, dims, source });
        name
    }

    /// Whether its weights are more than one file should hold.
    pub(super) fn is_large(&self) -> bool {
        self.constants.iter().map(Constant::len).sum::<u64>() > MOST_INSIDE
    }

    /// Writes the file, weights into a second one where there is one.
    ///
    /// # Errors
    /// A file cannot be written, or a weight not read.
    pub(super) fn write(
        &self,
        tensors: &dyn Tensors,
        out: &mut dyn Write,
        mut beside: Option<Beside<'_>>,
    ) -> Result<(), WriteError> {
        let parts = self.placed(beside.as_ref().map(|beside| beside.name));
        let constants: u64 = parts.iter().map(Part::len).sum();
        let mut model = Message::default();
        model.integer(1, IR_VERSION);
        model.bytes(2, b"perfkit");
        model.bytes(3, env!("CARGO_PKG_VERSION").as_bytes());
        let mut opset = Message::default();
        opset.bytes(1, b"");
        opset.integer(2, OPSET);
        model.message(8, &opset);
        let mut name = Message::default();
        name.bytes(2, b"encoder");
        model.begin(7, (name.as_bytes().len() + self.parts.as_bytes().len()) as u64 + constants);
        for bytes in [&model, &name, &self.parts] {
            out.write_all(bytes.as_bytes())?;
        }
        let mut written = 0;
        for part in &parts {
            out.write_all(part.field.as_bytes())?;
            out.write_all(part.head.as_bytes())?;
            match (&mut beside, part.outside) {
                (Some(beside), Some(start)) => {
                    let gap = io::Read::take(io::repeat(0), start - written);
                    io::copy(&mut { gap }, &mut beside.file)?;
                    part.constant.write(tensors, beside.file)?;
                    written = start + part.constant.len();
                }
                _ => part.constant.write(tensors, out)?,
            }
        }
        Ok(())
    }

    /// Every constant with what stands before its bytes, and where those are.
    fn placed(&self, beside: Option<&str>) -> Vec<Part<'_>> {
        let mut place = 0_u64;
        let part = |constant| {
            let outside = beside.filter(|_| Constant::len(constant) >= LEAST_BESIDE).map(|file| {
                let start = place.next_multiple_of(ALIGNMENT);
                place = start + constant.len();
                (file, start)
            });
            let head = head(constant, outside);
            let inside = if outside.is_some() { 0 } else { constant.len() };
            let mut field = Message::default();
            field.begin(5, head.as_bytes().len() as u64 + inside);
            Part { constant, field, head, outside: outside.map(|(_, start)| start) }
        };
        self.constants.iter().map(part).collect()
    }
}

/// A constant as it stands in the file.
struct Part<'g> {
    constant: &'g Constant,
    /// The start of its field in the graph.
    field: Message,
    /// Everything of it but its bytes.
    head: Message,
    /// Where in the second file its bytes begin, if they stand there.
    outside: Option<u64>,
}

impl Part<'_> {
    /// Its bytes in the first file.
    fn len(&self) -> u64 {
        let inside = if self.outside.is_some() { 0 } else { self.constant.len() };
        (self.field.as_bytes().len() + self.head.as_bytes().len()) as u64 + inside
    }
}

/// A second file.
pub(super) struct Beside<'a> {
    /// As the first names it, without folders.
    pub(super) name: &'a str,
    pub(super) file: &'a mut dyn Write,
}

/// Everything of a constant but its bytes; where those stand inside, their head is its end.
fn head(constant: &Constant, outside: Option<(&str, u64)>) -> Message {
    let mut message = Message::default();
    for &extent in &constant.dims {
        message.integer(1, extent.cast_signed() as i64);
    }
    message.integer(2, constant.kind as i64);
    message.bytes(8, constant.name.as_bytes());
    match outside {
        Some((file, start)) => {
            let entry = |key: &str, value: String| {
                let mut entry = Message::default();
                entry.bytes(1, key.as_bytes());
                entry.bytes(2, value.as_bytes());
                entry
            };
            message.message(13, &entry("location", file.to_owned()));
            message.message(13, &entry("offset", start.to_string()));
            message.message(13, &entry("length", constant.len().to_string()));
            message.integer(14, 1);
        }
        None => message.begin(9, constant.len()),
    }
    message
}

/// The declaration of an input or output.
fn declared(name: &str, kind: Type, dims: &[Dimension]) -> Message {
    let mut shape = Message::default();
    for dimension in dims {
        let mut extent = Message::default();
        match dimension {
            Dimension::Named(name) => extent.bytes(2, name.as_bytes()),
            Dimension::Fixed(count) => extent.integer(1, count.cast_signed() as i64),
        }
        shape.message(1, &extent);
    }
    let mut tensor = Message::default();
    tensor.integer(1, kind as i64);
    tensor.message(2, &shape);
    let mut value_type = Message::default();
    value_type.message(1, &tensor);
    let mut value = Message::default();
    value.bytes(1, name.as_bytes());
    value.message(2, &value_type);
    value
}
