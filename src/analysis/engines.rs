//! The embedding engines people use beside ours: how many times as long each takes for the same texts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::{RatioInterval, paired_ratio, ratio_of_medians};
use crate::document::{Case, CaseTier, Document, Measurement};

/// The fact that says in how many rounds a case took part with others.
const ROUNDS: &str = "paired_rounds";

/// An engine of others at one piece of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EngineRatio {
    /// Its case.
    pub case: Case,
    /// Ours at the same work.
    pub native: Case,
    /// Its time over ours: the median of the ratios of calls of the same round, with its interval; of medians where the
    /// two were not measured in one contest.
    pub ratio: RatioInterval,
    /// Whether the calls were pairs.
    pub paired: bool,
    /// Whether there were enough for an interval of 95 %; without, it is the range.
    pub trusted: bool,
    /// How many pairs or samples, and their spread.
    pub evidence: String,
}

/// Every engine of others that was measured at work that ours was measured at, in the document's order.
#[must_use]
pub fn engine_ratios(document: &Document) -> Vec<EngineRatio> {
    let peers = document.measured().filter(|m| is_peer(m));
    peers.filter_map(|peer| ratio(peer, native_of(document, peer)?)).collect()
}

fn is_peer(measurement: &Measurement) -> bool {
    measurement.case.family() == "embed" && measurement.case.tier == CaseTier::Peer
}

/// Ours at the work of a peer.
fn native_of<'d>(document: &'d Document, peer: &Measurement) -> Option<&'d Measurement> {
    let same = |m: &&Measurement| {
        let (own, other) = (&m.case, &peer.case);
        m.peer.is_none()
            && own.tier != CaseTier::Peer
            && (&own.benchmark, &own.shape, own.threads) == (&other.benchmark, &other.shape, other.threads)
    };
    document.measured().find(same)
}

fn ratio(peer: &Measurement, native: &Measurement) -> Option<EngineRatio> {
    let rounds = |m: &Measurement| m.facts.get(ROUNDS).copied();
    let (ours, theirs) = (&native.seconds.samples, &peer.seconds.samples);
    let paired = rounds(peer).is_some() && rounds(peer) == rounds(native) && ours.len() == theirs.len();
    let estimate = if paired { paired_ratio(ours, theirs) } else { ratio_of_medians(ours, theirs) }?;
    Some(EngineRatio {
        case: peer.case.clone(),
        native: native.case.clone(),
        ratio: estimate.interval,
        paired,
        trusted: estimate.trusted,
        evidence: estimate.evidence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Outcome, SampleSeconds};

    fn measured(case: &str, samples: &[f64], rounds: Option<f64>) -> Outcome {
        let json = serde_json::json!({
            "case": case, "seconds": { "samples": [] }, "iterations": 1,
            "cost": { "flops": 1.0, "core_bytes": 1.0, "dram_bytes": 1.0, "written_bytes": 1.0, "working_set_bytes": 1.0 },
        });
        let mut measurement: Measurement = serde_json::from_value(json).unwrap();
        measurement.seconds = SampleSeconds { samples: samples.to_vec() };
        measurement.facts.extend(rounds.map(|rounds| (ROUNDS.to_owned(), rounds)));
        Outcome::Measured(Box::new(measurement))
    }

    fn document(outcomes: Vec<Outcome>) -> Document {
        Document {
            schema: Document::SCHEMA.to_owned(),
            run: crate::document::Run::default(),
            machine: crate::document::Machine::default(),
            conditions: crate::document::Conditions::default(),
            outcomes,
        }
    }

    #[test]
    fn calls_of_one_round_are_pairs_and_others_are_compared_by_their_medians() {
        let (native, peer) =
            ("embed/tiny-f32/native@avx2/2x16/t1", "embed/tiny-f32/onnxruntime@peer/2x16/t1");
        // The machine slowed down on the way: pairs do not see it.
        let (ours, theirs) = ([1.0, 2.0, 4.0], [1.5, 3.0, 6.0]);
        let paired = document(vec![measured(native, &ours, Some(3.0)), measured(peer, &theirs, Some(3.0))]);
        let found = engine_ratios(&paired);
        assert_eq!(found.len(), 1);
        assert!(found[0].paired && (found[0].ratio.value - 1.5).abs() < 1e-12, "{found:?}");
        assert!((found[0].ratio.high - found[0].ratio.low).abs() < 1e-12);
        let apart = document(vec![measured(native, &ours, None), measured(peer, &theirs, Some(3.0))]);
        assert!(!engine_ratios(&apart)[0].paired);
    }

    #[test]
    fn an_engine_without_ours_at_the_same_work_has_no_ratio() {
        let peer = "embed/tiny-f32/onnxruntime@peer/2x16/t1";
        for native in ["embed/tiny-f32/native@avx2/2x32/t1", "embed/tiny-int8/native@avx2/2x16/t1"] {
            let document = document(vec![measured(native, &[1.0], None), measured(peer, &[1.0], None)]);
            assert!(engine_ratios(&document).is_empty(), "{native}");
        }
    }
}
