//! Once warm, a batch allocates nothing, whatever the precision: counted by the allocator.

#![expect(clippy::unwrap_used, reason = "a test whose own set-up fails has failed")]

use std::num::NonZeroUsize;
use std::sync::Arc;

use perfkit::engines::native::{Encoder, NativeEngine};
use perfkit::engines::{Engine, Precision, builtin};
use perfkit::sys::Team;
use perfkit::sys::allocations::{Counting, so_far};
use perfkit::telemetry::Stages;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of `batches` warm batches.
fn counted(precision: Precision, threads: usize, batches: u64) -> u64 {
    let model = Arc::new(builtin::model(builtin::Preset::Tiny).unwrap());
    let batch = |lengths: &[usize]| -> Vec<Vec<u32>> {
        lengths.iter().map(|&n| (1000_u32..).take(n).collect()).collect()
    };
    let texts = [batch(&[64; 32]), batch(&[3, 250, 17, 0, 90]), batch(&[16])];
    let tier = precision.best_tier().unwrap();
    let encoder = Arc::new(Encoder::pack_as(model, precision, tier).unwrap());
    let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
    let mut engine = NativeEngine::new(encoder, team);
    let mut values = vec![0.0; 32 * engine.dimensions()];
    let mut stages = Stages::new();
    let mut run = || {
        for texts in &texts {
            let values = &mut values[..texts.len() * 64];
            engine.embed_into(texts, &mut stages, values).unwrap();
        }
    };
    run();
    run();
    let before = so_far().unwrap().count;
    (0..batches).for_each(|_| run());
    let count = so_far().unwrap().count - before;
    assert!(engine.memory().reused_share() > 0.9, "{:?}", engine.memory());
    count
}

/// One test alone, so that no other thread of this program allocates meanwhile.
#[test]
fn a_warm_batch_allocates_nothing() {
    for precision in Precision::all().filter(|precision| precision.best_tier().is_some()) {
        assert_eq!(counted(precision, 1, 20), 0, "{precision}");
        // The queue of a team grows by a block now and then: far less than one a task.
        let team = counted(precision, 2, 20);
        assert!(team < 20 * 3 * 4, "{precision} on two threads: {team} in 60 batches");
    }
}
