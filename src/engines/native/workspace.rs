//! Buffers of an engine, reused from batch to batch: they grow and never shrink.

use crate::tensor::AlignedBuffer;

/// Everything between the token ids and the pooled vector.
pub(super) struct Workspace {
    /// Tokens of each text of the batch.
    pub(super) lengths: Vec<usize>,
    /// Tokens x hidden: what goes into a layer and what comes out of it.
    pub(super) hidden: AlignedBuffer<f32>,
    /// Tokens x 3 hidden.
    pub(super) query_key_value: AlignedBuffer<f32>,
    /// Tokens x hidden: attention's answer.
    pub(super) context: AlignedBuffer<f32>,
    /// Tokens x hidden: before an addition and normalisation.
    pub(super) projected: AlignedBuffer<f32>,
    /// Tokens x hidden: between attention and feed-forward.
    pub(super) attended: AlignedBuffer<f32>,
    /// A block of tokens x intermediate.
    pub(super) activated: AlignedBuffer<f32>,
    /// Attention's own.
    pub(super) scratch: AlignedBuffer<f32>,
}

impl Workspace {
    pub(super) fn new() -> Self {
        let empty = || AlignedBuffer::zeroed(0);
        Self {
            lengths: Vec::new(),
            hidden: empty(),
            query_key_value: empty(),
            context: empty(),
            projected: empty(),
            attended: empty(),
            activated: empty(),
            scratch: empty(),
        }
    }
}

/// The first `len` numbers of a buffer that is replaced by a larger one where it is too small. What was in it is lost.
pub(super) fn grow(buffer: &mut AlignedBuffer<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        // Some room to spare, so that slowly growing batches do not replace it every time.
        *buffer = AlignedBuffer::zeroed(len + len / 8);
    }
    &mut buffer[..len]
}
