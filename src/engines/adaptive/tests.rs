//! The controller before a simulated server: a fixed time and one by the text, a load that changes, noise and spikes.

use super::*;
use crate::sys::Rng;

/// What stands behind the controller.
struct Server {
    fixed: f64,
    by_text: f64,
    /// Multiplies all times.
    load: f64,
    /// Standard deviation of the logarithm of a time.
    noise: f64,
    /// Share of batches that take five times as long.
    spikes: f64,
    base_bytes: f64,
    bytes_by_text: f64,
    rng: Rng,
}

impl Server {
    fn new(fixed: f64, by_text: f64) -> Self {
        Self {
            fixed,
            by_text,
            load: 1.0,
            noise: 0.0,
            spikes: 0.0,
            base_bytes: 50e6,
            bytes_by_text: 1e6,
            rng: Rng::new(7),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "bytes of a simulated process")]
    fn run(&mut self, batch: NonZeroUsize) -> Observation {
        let texts = batch.get() as f64;
        let normal = self.rng.normal();
        let spike = if self.rng.unit() < self.spikes { 5.0 } else { 1.0 };
        let seconds = (self.fixed + self.by_text * texts) * self.load * (self.noise * normal).exp() * spike;
        let uneven = 1.0 + 0.05 * (2.0 * self.rng.unit() - 1.0);
        let bytes = self.base_bytes + self.bytes_by_text * texts * uneven;
        Observation { batch, seconds, memory_bytes: Some(bytes as u64) }
    }

    /// Runs so many batches and answers what they took.
    fn serve(&mut self, controller: &mut Controller, batches: usize) -> Vec<Observation> {
        let mut all = Vec::new();
        for _ in 0..batches {
            let observation = self.run(controller.next_batch());
            controller.observe(observation);
            all.push(observation);
        }
        all
    }

    /// The size that takes `seconds`.
    fn ideal(&self, seconds: f64) -> f64 {
        (seconds / self.load - self.fixed) / self.by_text
    }
}

fn limits(seconds: f64) -> Limits {
    Limits { seconds, memory_bytes: None, most: NonZeroUsize::new(4096).unwrap() }
}

fn within(observations: &[Observation], seconds: f64) -> f64 {
    observations.iter().filter(|o| o.seconds <= seconds).count() as f64 / observations.len() as f64
}

/// Changes of the size against the direction of the change before.
fn reversals(observations: &[Observation]) -> usize {
    let steps: Vec<bool> = observations
        .windows(2)
        .filter(|pair| pair[0].batch != pair[1].batch)
        .map(|pair| pair[1].batch > pair[0].batch)
        .collect();
    steps.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[test]
fn any_server_is_filled_within_forty_batches_and_never_overshot() {
    for (fixed, by_text, target) in
        [(0.0, 1e-3, 0.05), (5e-3, 1e-3, 0.05), (0.03, 1e-3, 0.05), (1e-3, 1e-4, 0.2), (0.0, 0.02, 0.05)]
    {
        let mut server = Server::new(fixed, by_text);
        let mut controller = Controller::new(limits(target));
        let first = server.serve(&mut controller, 40);
        assert!(within(&first, target * 1.000_001) == 1.0, "{fixed} {by_text}: overshot");
        let (size, ideal) = (controller.next_batch().get() as f64, server.ideal(target).floor());
        let used = fixed + by_text * (size + 1.0);
        assert!(size <= ideal && used >= 0.9 * target, "{fixed} {by_text}: {size} of {ideal}");
        let rest = server.serve(&mut controller, 200);
        assert_eq!(reversals(&rest), 0);
    }
}

#[test]
fn a_step_of_the_load_is_answered_within_a_few_batches_both_ways() {
    let mut server = Server::new(4e-3, 1e-3);
    server.noise = 0.03;
    let mut controller = Controller::new(limits(0.1));
    server.serve(&mut controller, 60);
    let before = controller.next_batch().get() as f64;
    server.load = 3.0;
    let after = server.serve(&mut controller, 30);
    let far = after.iter().rposition(|o| o.seconds > 0.12).unwrap();
    assert!(far <= 2, "{far} batches far beyond the target");
    assert!(within(&after[10..], 0.1) >= 0.8, "{:?}", &after[10..]);
    let small = controller.next_batch().get() as f64;
    assert!((0.7..=1.02).contains(&(small / server.ideal(0.1))), "{small} of {}", server.ideal(0.1));
    server.load = 1.0;
    server.serve(&mut controller, 30);
    assert!(controller.next_batch().get() as f64 >= 0.85 * before, "{} of {before}", controller.next_batch());
}

#[test]
fn one_slow_batch_changes_nothing() {
    let mut server = Server::new(2e-3, 1e-3);
    let mut controller = Controller::new(limits(0.08));
    server.serve(&mut controller, 50);
    let size = controller.next_batch();
    for _ in 0..20 {
        let slow = Observation { seconds: 0.4, ..server.run(size) };
        controller.observe(slow);
        assert_eq!(controller.next_batch(), size);
        server.serve(&mut controller, 5);
        assert_eq!(controller.next_batch(), size);
    }
}

#[test]
fn noise_and_spikes_neither_make_it_swing_nor_miss_the_target() {
    let settings = [(0.02, 0.0), (0.05, 0.02), (0.15, 0.02)];
    for (seed, (noise, spikes)) in (1..6).flat_map(|seed| settings.map(|setting| (seed, setting))) {
        let mut server = Server { noise, spikes, rng: Rng::new(seed), ..Server::new(3e-3, 5e-4) };
        let mut controller = Controller::new(limits(0.05));
        server.serve(&mut controller, 60);
        let long = server.serve(&mut controller, 2000);
        let share = within(&long, 0.05);
        assert!(share >= 0.94 - spikes, "{noise}: {share} within the target");
        let mean = long.iter().map(|o| o.batch.get() as f64).sum::<f64>() / 2000.0;
        assert!(mean >= 0.6 * server.ideal(0.05), "{noise}: {mean} texts of {}", server.ideal(0.05));
        let reversals = reversals(&long);
        assert!(reversals <= 60, "{noise}: {reversals} reversals in 2000 batches");
    }
}

#[test]
fn memory_is_never_beyond_its_limit_and_is_used() {
    for (base, by_text, limit) in
        [(50e6, 1e6, 200_000_000_u64), (0.0, 3e6, 100_000_000), (90e6, 1e5, 100_000_000)]
    {
        let mut server = Server { base_bytes: base, bytes_by_text: by_text, ..Server::new(0.0, 1e-5) };
        let memory_bytes = Some(limit);
        let mut controller = Controller::new(Limits { memory_bytes, ..limits(10.0) });
        let all = server.serve(&mut controller, 400);
        let most = all.iter().filter_map(|o| o.memory_bytes).max().unwrap();
        assert!(most <= limit, "{most} bytes of {limit}");
        let room = (MEMORY_SHARE * limit as f64 - base) / by_text;
        let size = controller.next_batch().get() as f64;
        assert!(size >= 0.8 * room.max(1.0) || room < 1.0, "{size} texts where there is room for {room}");
    }
}

#[test]
fn what_cannot_be_met_gives_single_texts_and_nonsense_gives_no_panic() {
    let mut server = Server::new(1.0, 1.0);
    let mut controller = Controller::new(Limits { memory_bytes: Some(1), ..limits(1e-3) });
    server.serve(&mut controller, 20);
    assert_eq!(controller.next_batch().get(), 1);
    let most = NonZeroUsize::new(8).unwrap();
    let mut controller = Controller::new(Limits { most, ..limits(1.0) });
    for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300, 1e-9] {
        for _ in 0..8 {
            let batch = controller.next_batch();
            controller.observe(Observation { batch, seconds, memory_bytes: Some(0) });
            assert!((1..=8).contains(&controller.next_batch().get()));
        }
    }
}
