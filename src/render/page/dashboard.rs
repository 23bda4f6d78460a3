//! The dashboard: a dozen panels side by side, each from measured or counted values; one without says which command fills it.

use super::{Block, Extras, Note, Section, Tone};
use crate::document::Document;
use crate::render::figure::{self, Figure};

/// A panel: what it is about, its picture where there is one, and the command that fills it.
struct Panel {
    about: &'static str,
    picture: Option<Figure>,
    command: &'static str,
}

/// The section of a document.
#[must_use]
pub fn dashboard(document: &Document, extras: &Extras<'_>) -> Section {
    let measured = |picture: Figure| Some(picture).filter(|picture| !picture.is_empty());
    let mol = extras.tunings.iter().find_map(|tuning| tuning.mol.as_ref());
    const FORMS: &str =
        "perfkit bench 'mol/*' --full --out mol.json, then perfkit report --from mol.json --html report.html";
    const SEARCH: &str = "perfkit tune mol --json > mol.json, then perfkit report --from results.json --tuning mol.json --html report.html";
    let panels = [
        Panel {
            about: "arithmetic intensity",
            picture: measured(figure::intensities(document)),
            command: "perfkit run",
        },
        Panel {
            about: "bandwidth by pattern",
            picture: measured(figure::patterns(document)),
            command: "perfkit bench 'memory/*' 'gather/*'",
        },
        Panel {
            about: "throughput by operation",
            picture: measured(figure::operations(document)),
            command: "perfkit run",
        },
        Panel {
            about: "mixtures of logits and dot products: time",
            picture: measured(figure::score_times(document)),
            command: FORMS,
        },
        Panel {
            about: "mixtures of logits and dot products: operations per second",
            picture: measured(figure::score_rates(document)),
            command: FORMS,
        },
        Panel {
            about: "memory of each form",
            picture: mol.and_then(|mol| measured(figure::form_memory(mol))),
            command: SEARCH,
        },
        Panel {
            about: "predicted against measured",
            picture: measured(figure::predicted(document)),
            command: FORMS,
        },
        Panel {
            about: "settings that were searched",
            picture: figure::first_search(extras.tunings, figure::tuning),
            command: SEARCH,
        },
        Panel {
            about: "quality over latency",
            picture: figure::first_search(extras.tunings, figure::quality),
            command: "perfkit tune mol --vectors embeddings.npy --json > mol.json, then perfkit report --from results.json --tuning mol.json --html report.html",
        },
        Panel {
            about: "operations by part",
            picture: measured(figure::operations_by_part(document)),
            command: FORMS,
        },
        Panel {
            about: "scaling with the width of vectors",
            picture: measured(figure::by_width(document)),
            command: "perfkit bench 'similarity/*' 'mol/*' --full",
        },
        Panel {
            about: "share of the roof reached",
            picture: measured(figure::fractions(document)),
            command: "perfkit run",
        },
    ];
    let mut missing = Vec::new();
    let mut blocks = Vec::new();
    for panel in panels {
        match panel.picture {
            Some(picture) => blocks.push(Block::Figure(Box::new(picture))),
            None => missing.push(Note {
                tone: Tone::Quiet,
                name: panel.about.to_owned(),
                text: "not measured in this document".to_owned(),
                remedy: Some(panel.command.to_owned()),
            }),
        }
    }
    if !missing.is_empty() {
        blocks.push(Block::Notes(missing));
    }
    Section {
        id: "dashboard",
        title: "Dashboard".to_owned(),
        lead: Some(
            "Every panel is of values that were measured in this document or counted from its shapes."
                .to_owned(),
        ),
        blocks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::{document, measured};
    use crate::document::{Cost, FormMemory, MolCandidate, MolSettings, MolTuning, Tuning};

    fn panels(section: &Section) -> (Vec<&str>, Vec<&Note>) {
        let pictures = section.blocks.iter().filter_map(|block| match block {
            Block::Figure(figure) => Some(&*figure.name),
            Block::Notes(_) | Block::Facts(_) | Block::Table(_) | Block::Advice(_) => None,
        });
        let notes = section.blocks.iter().filter_map(|block| match block {
            Block::Notes(notes) => Some(notes.iter()),
            Block::Figure(_) | Block::Facts(_) | Block::Table(_) | Block::Advice(_) => None,
        });
        (pictures.collect(), notes.flatten().collect())
    }

    #[test]
    fn an_empty_document_has_no_picture_and_a_command_for_each() {
        let empty = document(Vec::new());
        let section = dashboard(&empty, &Extras::default());
        let (pictures, notes) = panels(&section);
        assert_eq!((pictures.len(), notes.len()), (0, 12));
        for note in notes {
            assert!(note.remedy.as_ref().unwrap().starts_with("perfkit "), "{}", note.name);
        }
    }

    #[test]
    fn every_panel_is_filled_by_what_its_command_measures() {
        let cost =
            |flops: f64, bytes: f64| Cost { flops, core_bytes: bytes, dram_bytes: bytes, ..Cost::default() };
        let mol = "mol/score-f32/fused@avx2";
        let document = document(vec![
            measured("memory/read-l1-u8/stream@avx2/1x16384/t1", 1e-6, cost(0.0, 1e5)),
            measured("memory/read-dram-u8/stream@avx2/1x16384/t1", 1e-6, cost(0.0, 1e4)),
            measured("memory/random-l1-u8/lines@avx2/1x16384/t1", 1e-6, cost(0.0, 5e4)),
            measured("peak/fma-f32/chains@avx2/1x64/t1", 1e-3, cost(1e8, 0.0)),
            measured("peak/exp-f32/chains@avx2/1x64/t1", 1e-3, cost(1e7, 0.0)),
            measured(&format!("{mol}/32x1000x8x8x32x128/t1"), 2e-2, cost(1.2e9, 5e5)),
            measured(&format!("{mol}/32x1000x8x8x64x128/t1"), 3e-2, cost(1.4e9, 9e5)),
            measured("mol/dot-f32/packed@avx2/32x1000x64/t1", 1e-4, cost(4e6, 4e5)),
        ]);
        let settings =
            MolSettings { query_components: 8, item_components: 8, width: 32, gate_hidden: 128, batch: 32 };
        let row = MolCandidate {
            settings,
            queries_per_second: Some(1600.0),
            latency_seconds: Some(0.02),
            quality: Some(0.9),
            ..MolCandidate::default()
        };
        let form = FormMemory {
            form: "fused".to_owned(),
            data_bytes: 5_000_000,
            model_bytes: 70_000,
            resident_bytes: Some(6_000_000),
            peak_bytes: Some(9_000_000),
            why: None,
        };
        let found = MolTuning { candidates: vec![row], forms: vec![form], ..MolTuning::default() };
        let tunings = [Tuning { mol: Some(found), ..Tuning::default() }];
        let section = dashboard(&document, &Extras { tunings: &tunings, ..Extras::default() });
        let (pictures, notes) = panels(&section);
        let names: Vec<&str> = notes.iter().map(|note| &*note.name).collect();
        for name in [
            "intensity",
            "patterns",
            "operations",
            "mol-time",
            "mol-rate",
            "form-memory",
            "tuning",
            "tuning-quality",
            "operations-by-part",
            "by-width",
        ] {
            assert!(pictures.contains(&name), "{name}: {pictures:?}, missing {names:?}");
        }
        for block in &section.blocks {
            if let Block::Figure(figure) = block {
                assert!(figure.to_inline_svg().starts_with("<svg"), "{}", figure.name);
            }
        }
    }
}
