//! Promises of streaming: the rule of closing with a clock that is told the time, and bounds by counting.

use super::*;
use crate::engines::Embeddings;
use crate::engines::cache::tests::Counting;
use crate::sys::clock::Fake;
use crate::sys::{Monotonic, Team};

fn streaming(mode: Mode, batch: usize, buffer: usize) -> Streaming {
    let number = |count| NonZeroUsize::new(count).unwrap();
    Streaming { mode, batch: number(batch), buffer: number(buffer), max_wait: 5_000_000 }
}

fn numbered(count: u64) -> impl FnMut() -> Option<Result<String, String>> + Send + 'static {
    let mut next = 0..count;
    move || next.next().map(|i| Ok(format!("text {i}")))
}

/// Every vector's index and first number, in the order they came.
fn collect(streaming: &Streaming, engines: usize, count: u64) -> (Vec<(u64, f32)>, Outcome) {
    let first: Box<dyn Engine> = Box::new(Counting::default());
    let mut all = vec![first];
    while all.len() < engines {
        all.push(all[0].another(Team::single()).unwrap());
    }
    let mut got = Vec::new();
    let outcome = run(streaming, all, numbered(count), Monotonic::new(), None, &|| false, &mut |finished| {
        got.extend((finished.first..).zip(finished.embeddings.rows().map(|row| row[0])));
        Ok(())
    });
    (got, outcome.unwrap())
}

#[test]
fn a_batch_is_closed_when_it_is_full_when_its_oldest_text_waited_long_enough_or_at_the_end() {
    let clock = Fake::default();
    let timed = streaming(Mode::Timed, 4, 1);
    let sight = |waiting, oldest: u64, closed| Sight { waiting, oldest: Some(oldest), closed };
    assert_eq!(timed.due(timed.batch, Sight { waiting: 0, oldest: None, closed: true }, 0), Due::Later);
    clock.advance(1_000_000);
    assert_eq!(timed.due(timed.batch, sight(2, 1_000_000, false), clock.now()), Due::At(6_000_000));
    assert_eq!(timed.due(timed.batch, sight(4, 1_000_000, false), clock.now()), Due::Close(4));
    assert_eq!(timed.due(timed.batch, sight(9, 1_000_000, false), clock.now()), Due::Close(4));
    clock.advance(4_999_999);
    assert_eq!(timed.due(timed.batch, sight(3, 1_000_000, false), clock.now()), Due::At(6_000_000));
    clock.advance(1);
    assert_eq!(timed.due(timed.batch, sight(3, 1_000_000, false), clock.now()), Due::Close(3));
    for mode in [Mode::Sequential, Mode::Parallel] {
        let patient = streaming(mode, 4, 1);
        assert_eq!(patient.due(patient.batch, sight(3, 0, false), u64::MAX), Due::Later);
        assert_eq!(patient.due(patient.batch, sight(3, 0, true), 0), Due::Close(3));
    }
    // No wait at all, and one that never ends.
    assert_eq!(Streaming { max_wait: 0, ..timed }.due(timed.batch, sight(1, 7, false), 7), Due::Close(1));
    assert_eq!(
        Streaming { max_wait: u64::MAX, ..timed }.due(timed.batch, sight(1, 7, false), 7),
        Due::At(u64::MAX)
    );
}

#[test]
fn ordered_modes_keep_the_order_and_parallel_ones_lose_nothing() {
    for mode in Mode::all() {
        assert_eq!(mode.name().parse::<Mode>().unwrap(), mode);
        for (count, batch) in [(0, 3), (1, 3), (3, 3), (1000, 7)] {
            let workers = if mode == Mode::Parallel { 3 } else { 1 };
            let (mut got, outcome) = collect(&streaming(mode, batch, 2), workers, count);
            if mode == Mode::Parallel {
                got.sort_by_key(|(index, _)| *index);
            }
            let want: Vec<(u64, f32)> = (0..count).map(|i| (i, format!("text {i}").len() as f32)).collect();
            assert_eq!(got, want, "{mode} {count} {batch}");
            assert!(!outcome.stopped && outcome.batches >= count.div_ceil(batch as u64));
        }
    }
    assert!("random".parse::<Mode>().is_err());
}

#[test]
fn a_long_stream_holds_no_more_than_its_buffer() {
    for (mode, workers) in [(Mode::Sequential, 1), (Mode::Parallel, 2)] {
        let (got, outcome) = collect(&streaming(mode, 8, 3), workers, 20_000);
        assert_eq!(got.len(), 20_000);
        assert!(outcome.most_texts <= 8 * (3 + workers) && outcome.most_texts >= 8, "{outcome:?}");
    }
}

#[test]
fn long_texts_are_bounded_by_their_bytes() {
    let mut left = 12;
    let source = move || {
        left -= 1;
        (left >= 0).then(|| Ok::<_, String>("x".repeat(10 << 20)))
    };
    let engines: Vec<Box<dyn Engine>> = vec![Box::new(Counting::default())];
    let mut texts = 0;
    let outcome = run(
        &streaming(Mode::Sequential, 100, 4),
        engines,
        source,
        Monotonic::new(),
        None,
        &|| false,
        &mut |finished| {
            texts += finished.embeddings.rows().count();
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(texts, 12);
    assert!(outcome.most_bytes <= BATCH_BYTES && outcome.batches >= 4, "{outcome:?}");
}

/// Refuses batches of more than two texts for want of memory.
struct Small;

impl Engine for Small {
    fn id(&self) -> &str {
        "small"
    }
    fn dimensions(&self) -> usize {
        1
    }
    fn embed(&mut self, texts: &[&str], _: &mut Stages) -> Result<Embeddings, EngineError> {
        match texts {
            [_, _, _, ..] | ["too large"] => Err(EngineError::Memory { bytes: 99 }),
            _ => Ok(Embeddings { values: vec![1.0; texts.len()], dimensions: 1, tokens: 0 }),
        }
    }
}

#[test]
fn a_batch_without_memory_is_halved_and_a_text_without_memory_is_an_error() {
    let mut indices = Vec::new();
    let sequential = streaming(Mode::Sequential, 8, 1);
    let outcome =
        run(&sequential, vec![Box::new(Small)], numbered(20), Monotonic::new(), None, &|| false, &mut |f| {
            indices.extend((f.first..).take(f.embeddings.values.len()));
            Ok(())
        });
    assert_eq!(indices, (0..20).collect::<Vec<u64>>());
    assert!(outcome.unwrap().halved >= 5);
    let mut left = 1;
    let source = move || {
        left -= 1;
        (left >= 0).then(|| Ok::<_, String>("too large".to_owned()))
    };
    let clock = Monotonic::new();
    let error = run(&sequential, vec![Box::new(Small)], source, clock, None, &|| false, &mut |_| Ok(()));
    assert!(matches!(error, Err(StreamError::Engine(EngineError::Memory { bytes: 99 }))));
}

#[test]
fn errors_of_the_source_and_of_the_sink_and_a_stop_end_it() {
    let sequential = streaming(Mode::Sequential, 2, 1);
    let engine = || -> Vec<Box<dyn Engine>> { vec![Box::new(Counting::default())] };
    let mut count = 0;
    let source = move || {
        count += 1;
        Some(if count < 6 { Ok("fine".to_owned()) } else { Err("line 6".to_owned()) })
    };
    let clock = Monotonic::new();
    let error = run(&sequential, engine(), source, clock, None, &|| false, &mut |_| Ok(()));
    assert!(matches!(error, Err(StreamError::Outside(why)) if why == "line 6"));
    let mut taken = 0;
    let error = run(&sequential, engine(), numbered(100), clock, None, &|| false, &mut |_| {
        taken += 1;
        if taken < 3 { Ok(()) } else { Err("disk full".to_owned()) }
    });
    assert!(matches!(error, Err(StreamError::Outside(why)) if why == "disk full"));
    assert_eq!(taken, 3);
    // A source that never answers does not keep a stop waiting.
    let (_open, never) = mpsc::channel::<String>();
    let source = move || never.recv().ok().map(Ok::<_, String>);
    let outcome = run(&sequential, engine(), source, clock, None, &|| true, &mut |_| Ok(()));
    assert!(outcome.unwrap().stopped);
}

#[test]
fn a_traced_stream_names_its_workers_and_counts_what_is_held() {
    let trace = Trace::new();
    let sequential = streaming(Mode::Sequential, 2, 1);
    let engines: Vec<Box<dyn Engine>> = vec![Box::new(Counting::default())];
    run(&sequential, engines, numbered(6), Monotonic::new(), Some(&trace), &|| false, &mut |_| Ok(()))
        .unwrap();
    let mut bytes = Vec::new();
    trace.write(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("engine 0") && text.contains("texts held"), "{text}");
}
