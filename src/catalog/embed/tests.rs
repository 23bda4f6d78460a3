//! Promises of an embedding pipeline, on the smallest built-in model.

use std::num::NonZeroUsize;

use super::*;

fn tiny() -> EmbedBenchmark {
    EmbedBenchmark::of(Arc::new(builtin::model(Preset::Tiny).unwrap()))
}

fn prepared(benchmark: &EmbedBenchmark, shape: &str, threads: usize) -> Box<dyn Workload> {
    let threads = NonZeroUsize::new(threads).unwrap();
    let case = Case {
        benchmark: benchmark.id().to_owned(),
        implementation: NativeEngine::ID.to_owned(),
        tier: Tier::best_f32().into(),
        shape: shape.parse().unwrap(),
        threads,
    };
    let machine = Arc::new(Machine::default());
    let resources = Resources { team: Team::new(threads).unwrap(), seed: 1, machine };
    benchmark.prepare(&case, &resources).unwrap()
}

#[test]
fn any_altered_element_fails_the_check() {
    for (shape, threads) in [("1x16", 1), ("5x32", 1), ("9xmixed", 2)] {
        let mut workload = prepared(&tiny(), shape, threads);
        workload.run();
        workload.check().unwrap_or_else(|e| panic!("{shape}: {e}"));
        let len = workload.output().len();
        assert!(len > 0);
        for element in (0..len).step_by(7).chain([len - 1]) {
            workload.run();
            workload.output().alter(element);
            assert!(workload.check().is_err(), "{shape}: element {element} of {len} was altered unnoticed");
        }
    }
}

#[test]
fn a_run_tells_its_stages_tokens_and_texts() {
    let mut workload = prepared(&tiny(), "4x32", 1);
    workload.run();
    let facts = workload.facts();
    let names: Vec<&str> = facts.stages.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["tokenize", "prepare", "encode", "pool", "normalize"]);
    assert_eq!((facts.tokens, facts.texts), (Some(4 * 32), Some(4)));
    let sum: f64 = facts.stages.iter().map(|(_, seconds)| seconds).sum();
    assert!(sum <= facts.total_seconds.unwrap(), "stages lie inside the total");
}

#[test]
fn texts_have_exactly_the_tokens_that_the_shape_says() {
    let benchmark = tiny();
    let model = benchmark.model().unwrap();
    for shape in ["3x3", "40x16", "2x256"] {
        let shape: Shape = shape.parse().unwrap();
        for text in benchmark.texts(&shape).unwrap() {
            assert_eq!(model.tokenizer.ids(&text).unwrap().len(), shape.count(1), "{shape}: {text}");
        }
    }
}

#[test]
fn shapes_that_no_model_takes_have_no_cost() {
    for shape in ["1", "0x16", "1x0", "1x257", "1x2x3", "100000x16", "mixed"] {
        let shape: Shape = shape.parse().unwrap();
        assert!(tiny().cost(&shape).is_none(), "{shape}");
    }
}

#[test]
fn a_mixed_batch_costs_what_its_texts_cost() {
    let benchmark = tiny();
    let model = benchmark.model().unwrap();
    let shape: Shape = "12xmixed".parse().unwrap();
    let texts = benchmark.texts(&shape).unwrap();
    let lengths: Vec<usize> = texts.iter().map(|text| model.tokenizer.ids(text).unwrap().len()).collect();
    assert!(lengths.iter().any(|&n| n != lengths[0]), "mixed texts differ in length");
    assert_eq!(benchmark.cost(&shape).unwrap().flops, model.architecture.flops(lengths));
}

#[test]
fn an_unknown_engine_is_unavailable() {
    let benchmark = tiny();
    let case: Case = "embed/tiny-f32/nosuch@avx2/1x16/t1".parse().unwrap();
    let machine = Arc::new(Machine::default());
    let resources = Resources { team: Team::single(), seed: 1, machine };
    assert!(matches!(benchmark.prepare(&case, &resources), Err(PrepareError::Unavailable(_))));
}
