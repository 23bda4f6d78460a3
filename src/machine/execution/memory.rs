//! How much of a GPU's memory one process should take.

use crate::document::{Gpu, GpuMemoryLimit};
use crate::units::bytes;

/// How much of a GPU's memory a process should take for a model of `model` bytes and batches of `batch` bytes; with both
/// zero, the most that there is to plan with.
pub fn memory_limit(gpu: &Gpu, index: usize, model: u64, batch: u64) -> GpuMemoryLimit {
    /// Of what the driver keeps when it does not say: contexts and kernels take about so much.
    const RESERVED: u64 = 512 << 20;
    let Some(total) = gpu.memory_total_bytes else {
        return GpuMemoryLimit {
            gpu: index,
            limit_bytes: None,
            model_bytes: model,
            batch_bytes: batch,
            formula: "total - reserved, of which the total is not known".to_owned(),
        };
    };
    let (reserved, how) = match gpu.memory_reserved_bytes {
        Some(reserved) => (reserved, "reserved"),
        None => (RESERVED, "reserved, assumed"),
    };
    let room = total.saturating_sub(reserved);
    // Allocators round blocks up and keep freed ones: a tenth more than is asked for.
    let asked = model.saturating_add(batch);
    let wanted = asked.saturating_add(asked / 10);
    let (limit, formula) = if asked == 0 {
        (room, format!("total {} - {how} {} = {}", bytes(total), bytes(reserved), bytes(room)))
    } else {
        let formula = format!(
            "min(total {} - {how} {}, 1.1 x (model {} + batch {})) = {}",
            bytes(total),
            bytes(reserved),
            bytes(model),
            bytes(batch),
            bytes(room.min(wanted)),
        );
        (
            room.min(wanted),
            formula + if wanted > room { ": it does not fit, take smaller batches" } else { "" },
        )
    };
    GpuMemoryLimit { gpu: index, limit_bytes: Some(limit), model_bytes: model, batch_bytes: batch, formula }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gpu;
    use super::*;

    #[test]
    fn memory_is_what_model_and_batch_need_within_what_is_there() {
        let mut device = gpu("nvidia", Some("8.0"), None);
        device.memory_reserved_bytes = Some(1 << 30);
        assert_eq!(memory_limit(&device, 0, 0, 0).limit_bytes, Some(15 << 30));
        let small = memory_limit(&device, 0, 1000 << 20, 1000 << 20);
        assert_eq!(small.limit_bytes, Some(2200 << 20));
        assert!(small.formula.contains("1.1 x (model"), "{}", small.formula);
        let large = memory_limit(&device, 0, 14 << 30, 1 << 30);
        assert_eq!(large.limit_bytes, Some(15 << 30));
        assert!(large.formula.contains("does not fit"));
        device.memory_total_bytes = None;
        assert_eq!(memory_limit(&device, 0, 1, 1).limit_bytes, None);
    }
}
