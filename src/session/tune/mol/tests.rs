//! Searches over small mixtures.

use super::*;
use crate::session::Silent;

fn plan() -> MolPlan {
    MolPlan {
        query_components: vec![2, 4],
        item_components: vec![2],
        widths: vec![8, 16],
        gate_hidden: vec![16],
        batches: vec![1, 4],
        items: 40,
        dot_width: 16,
        limits: TuningLimits::default(),
        quality_minimum: None,
        quality: QualitySource::Unknown,
        seconds: 0.0,
        seed: 5,
        memory_budget: None,
        worker: None,
    }
}

fn search(plan: &MolPlan) -> MolTuning {
    tune_mol(plan, &Machine::default(), &mut Silent, &Stop::default()).unwrap().mol.unwrap()
}

#[test]
fn every_configuration_is_measured_with_the_dot_product_beside_it() {
    let mol = search(&plan());
    assert_eq!(mol.candidates.len(), 8);
    assert_eq!(mol.dots.iter().map(|dot| dot.batch).collect::<Vec<_>>(), [1, 4]);
    for row in &mol.candidates {
        assert_eq!(row.rounds, EXHAUSTIVE_ROUNDS, "{}", row.settings);
        assert!(row.queries_per_second.unwrap() > 0.0 && row.times_dot.unwrap() > 0.0);
        assert_eq!((row.quality, row.memory_bytes), (None, None));
    }
    let choice = mol.choice.unwrap();
    assert_eq!(choice.shown_slower + choice.shown_equivalent + choice.undecided, 7);
    let chosen = mol.candidates.iter().find(|row| row.settings == choice.settings).unwrap();
    assert!(chosen.on_front && chosen.meets_limits);
    let reasons: Vec<&str> = mol.unknown.iter().map(|unknown| &*unknown.field).collect();
    assert!(reasons.contains(&"mol.candidates.quality") && reasons.contains(&"mol.candidates.memory_bytes"));
    assert!(mol.advice.iter().all(|advice| !advice.because.is_empty()) && mol.advice.len() >= 3);
    assert!(mol.forms.iter().all(|form| form.peak_bytes.is_none() && form.why.is_some()));
}

#[test]
fn limits_leave_out_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("quality.csv");
    std::fs::write(&table, "pq,px,d,quality\n2,2,8,0.5\n4,2,16,0.9\n").unwrap();
    let plan = MolPlan {
        quality: QualitySource::Table(table),
        quality_minimum: Some(0.8),
        limits: TuningLimits { latency_seconds: Some(100.0), ..TuningLimits::default() },
        ..plan()
    };
    let mol = search(&plan);
    for row in &mol.candidates {
        let within = row.settings.query_components == 4 && row.settings.width == 16;
        assert_eq!(row.meets_limits, within, "{}: {:?}", row.settings, row.dropped);
        assert!(within || row.dropped.as_ref().unwrap().contains("quality"));
        assert!(row.queries_per_second.is_some(), "measured all the same");
    }
    assert_eq!(mol.choice.unwrap().settings.width, 16);
    let too_late = MolPlan {
        limits: TuningLimits { latency_seconds: Some(1e-9), ..TuningLimits::default() },
        quality: QualitySource::Unknown,
        quality_minimum: None,
        ..plan
    };
    let mol = search(&too_late);
    assert_eq!(mol.choice, None);
    assert!(mol.candidates.iter().all(|row| !row.on_front && !row.meets_limits));
}

#[test]
fn what_no_memory_holds_is_left_out_with_its_size_and_the_rest_takes_turns() {
    let bytes = |width: usize, batch: usize| {
        let settings = MolSettings { query_components: 4, item_components: 2, width, gate_hidden: 16, batch };
        sizes(&settings, 40, 16, ScoreForm::Fused).arranging_bytes(ScoreForm::Fused)
    };
    // Room for the largest alone: each is arranged for its turn.
    let plan = MolPlan { memory_budget: Some(bytes(16, 4)), ..plan() };
    let tuning = tune_mol(&plan, &Machine::default(), &mut Silent, &Stop::default()).unwrap();
    assert!(tuning.notes.iter().any(|note| note.contains("arranged anew")), "{:?}", tuning.notes);
    let mol = tuning.mol.unwrap();
    assert!(mol.candidates.iter().all(|row| row.rounds == EXHAUSTIVE_ROUNDS));
    // Not for the largest.
    let plan = MolPlan { memory_budget: Some(bytes(16, 4) - 1), ..plan };
    let mol = search(&plan);
    for row in &mol.candidates {
        let largest = (row.settings.query_components, row.settings.width, row.settings.batch) == (4, 16, 4);
        assert_eq!(row.queries_per_second.is_none(), largest, "{}", row.settings);
        assert_eq!(row.dropped.as_ref().is_some_and(|why| why.contains("to arrange")), largest);
    }
    assert!(mol.choice.is_some());
    // For nothing at all.
    let mol = search(&MolPlan { memory_budget: Some(1), ..plan });
    assert!(mol.choice.is_none() && mol.dots.iter().all(|dot| dot.queries_per_second.is_none()));
    assert!(mol.forms.iter().all(|form| form.why.as_ref().is_some_and(|why| why.contains("to arrange"))));
}
