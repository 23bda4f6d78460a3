//! Where the quality of a mixture of logits comes from: a table of the user's, or vectors of which it is measured how many
//! neighbours a similarity of that rank finds. Files come from anywhere: what is read is bounded, and an error names the line.

use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::document::{MolSettings, Tier};
use crate::engines::low_rank::LowRank;

/// A table is no larger.
const TABLE_BYTES: u64 = 16 << 20;
/// A file of vectors is no larger.
const VECTOR_BYTES: u64 = 2 << 30;
/// Of more vectors than this, so many are taken, evenly from all of the file.
const MOST_VECTORS: usize = 4096;
/// So many of them are queries.
const QUERIES: usize = 512;

/// A row of a table of qualities.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QualityRow {
    #[serde(alias = "pq")]
    query_components: usize,
    #[serde(alias = "px")]
    item_components: usize,
    #[serde(alias = "d")]
    width: usize,
    /// A row without one is for every size of the network.
    #[serde(default)]
    gate_hidden: Option<usize>,
    quality: f64,
}

/// The quality of a configuration in a table.
pub(super) fn look_up(table: &[QualityRow], settings: &MolSettings) -> Option<f64> {
    let own = |row: &&QualityRow| {
        (row.query_components, row.item_components, row.width)
            == (settings.query_components, settings.item_components, settings.width)
    };
    let rows = || table.iter().filter(own);
    let exact = rows().find(|row| row.gate_hidden == Some(settings.gate_hidden));
    exact.or_else(|| rows().find(|row| row.gate_hidden.is_none())).map(|row| row.quality)
}

/// Reads a table: JSON where it begins with a bracket, otherwise lines of comma-separated values below their names.
pub(super) fn read_table(path: &Path) -> anyhow::Result<Vec<QualityRow>> {
    let bytes = read(path, TABLE_BYTES)?;
    let text = String::from_utf8(bytes).with_context(|| format!("{} is no text", path.display()))?;
    let table = parse_table(&text).with_context(|| format!("{} is no table of qualities", path.display()))?;
    ensure!(!table.is_empty(), "{} has no row", path.display());
    Ok(table)
}

fn parse_table(text: &str) -> anyhow::Result<Vec<QualityRow>> {
    let rows: Vec<QualityRow> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)?
    } else {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| (i + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty());
        let (_, header) = lines.next().context("it is empty")?;
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        lines
            .map(|(number, line)| row(&names, line).with_context(|| format!("line {number}")))
            .collect::<Result<_, _>>()?
    };
    for row in &rows {
        ensure!(row.quality.is_finite(), "a quality is no number");
    }
    Ok(rows)
}

/// A line as the object that its names make of it.
fn row(names: &[&str], line: &str) -> anyhow::Result<QualityRow> {
    let values: Vec<&str> = line.split(',').map(str::trim).collect();
    ensure!(values.len() == names.len(), "{} values below {} names", values.len(), names.len());
    let mut object = serde_json::Map::new();
    for (name, value) in names.iter().zip(values) {
        let value: serde_json::Value = serde_json::from_str(value)
            .with_context(|| format!("{name} is {value:?}, which is no number"))?;
        object.insert((*name).to_owned(), value);
    }
    Ok(serde_json::from_value(object.into())?)
}

/// Vectors of one width, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vectors {
    pub(super) values: Vec<f32>,
    pub(super) dimensions: usize,
}

impl Vectors {
    pub(super) fn count(&self) -> usize {
        self.values.len().checked_div(self.dimensions).unwrap_or(0)
    }

    /// At most [`MOST_VECTORS`] of them, evenly from all.
    fn thinned(self) -> Self {
        let step = self.count().div_ceil(MOST_VECTORS).max(1);
        let rows = self.values.chunks_exact(self.dimensions).step_by(step);
        Self { values: rows.flatten().copied().collect(), dimensions: self.dimensions }
    }
}

/// Reads embeddings as `embed --output` writes them: a NumPy array of single precision, or JSON lines.
pub(super) fn read_vectors(path: &Path) -> anyhow::Result<Vectors> {
    let bytes = read(path, VECTOR_BYTES)?;
    let vectors = if bytes.starts_with(MAGIC) { parse_npy(&bytes) } else { parse_lines(&bytes) };
    let vectors = vectors.with_context(|| format!("{} holds no vectors", path.display()))?;
    ensure!(vectors.values.iter().all(|x| x.is_finite()), "{} has a number that is none", path.display());
    Ok(vectors)
}

/// Recall of the `depth` nearest for each rank asked for; null where the vectors are too few.
pub(super) fn measure(
    vectors: Vectors,
    ranks: &[usize],
    depth: usize,
    seed: u64,
) -> anyhow::Result<Vec<Option<f64>>> {
    let vectors = vectors.thinned();
    let most = ranks.iter().copied().max().unwrap_or(1);
    let tier = Tier::best_f32();
    let low = LowRank::of(tier, &vectors.values, vectors.dimensions, most, seed)?;
    ranks.iter().map(|&rank| Ok(low.recall(rank, depth, QUERIES)?)).collect()
}

fn read(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(cannot)?;
    file.take(limit + 1).read_to_end(&mut bytes).with_context(cannot)?;
    ensure!(bytes.len() as u64 <= limit, "{} is larger than {limit} bytes", path.display());
    Ok(bytes)
}

/// The beginning of a NumPy array.
const MAGIC: &[u8] = b"\x93NUMPY";

/// An array of two axes, of `<f4`, row by row.
fn parse_npy(bytes: &[u8]) -> anyhow::Result<Vectors> {
    let version = *bytes.get(6).context("it is cut off")?;
    let length = |range: std::ops::Range<usize>| bytes.get(range).context("it is cut off");
    let (start, header): (usize, usize) = match version {
        1 => (10, usize::from(u16::from_le_bytes(length(8..10)?.try_into()?))),
        2 | 3 => (12, usize::try_from(u32::from_le_bytes(length(8..12)?.try_into()?))?),
        other => bail!("an array of version {other}"),
    };
    let end = start.checked_add(header).context("it is cut off")?;
    let dictionary = std::str::from_utf8(length(start..end)?).context("its header is no text")?;
    ensure!(dictionary.contains("'<f4'"), "an array of other numbers than single precision: {dictionary}");
    ensure!(dictionary.contains("'fortran_order': False"), "an array column by column");
    let shape =
        dictionary.split_once('(').and_then(|(_, rest)| rest.split_once(')')).context("it has no shape")?.0;
    let axes: Vec<usize> = shape
        .split(',')
        .map(str::trim)
        .filter(|axis| !axis.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("its shape is none")?;
    let &[rows, dimensions] = axes.as_slice() else {
        bail!("an array of {} axes instead of two", axes.len())
    };
    let needed = rows.checked_mul(dimensions).and_then(|n| n.checked_mul(4)).context("its shape is none")?;
    let data = &bytes[end..];
    ensure!(needed > 0 && data.len() == needed, "{} bytes of numbers instead of {needed}", data.len());
    let values = data.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    Ok(Vectors { values: values.collect(), dimensions })
}

#[derive(Deserialize)]
struct EmbeddingLine {
    embedding: Vec<f32>,
}

fn parse_lines(bytes: &[u8]) -> anyhow::Result<Vectors> {
    let (mut values, mut dimensions) = (Vec::new(), 0);
    for (i, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: EmbeddingLine = serde_json::from_slice(line).with_context(|| format!("line {}", i + 1))?;
        if dimensions == 0 {
            dimensions = line.embedding.len();
        }
        ensure!(
            dimensions > 0 && line.embedding.len() == dimensions,
            "line {} has {} numbers, others {dimensions}",
            i + 1,
            line.embedding.len()
        );
        values.extend(line.embedding);
    }
    ensure!(dimensions > 0, "it is empty");
    Ok(Vectors { values, dimensions })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: MolSettings =
        MolSettings { query_components: 8, item_components: 4, width: 32, gate_hidden: 128, batch: 32 };

    #[test]
    fn a_table_is_read_from_both_formats_and_the_closest_row_counts() {
        let csv = "pq, px, d, gate_hidden, quality\n8,4,32,64,0.5\n8,4,32,128,0.75\n\n8,4,64,null,0.9\n";
        let json = r#"[{"query_components":8,"item_components":4,"width":32,"quality":0.6}]"#;
        let table = parse_table(csv).unwrap();
        assert_eq!(look_up(&table, &SETTINGS), Some(0.75));
        assert_eq!(look_up(&table, &MolSettings { width: 64, ..SETTINGS }), Some(0.9));
        assert_eq!(look_up(&table, &MolSettings { width: 16, ..SETTINGS }), None);
        assert_eq!(look_up(&parse_table(json).unwrap(), &SETTINGS), Some(0.6));
    }

    #[test]
    fn tables_that_are_none_name_the_line() {
        for (text, word) in [
            ("", "empty"),
            ("pq,px,d,quality\n1,2,3", "line 2"),
            ("pq,px,d,quality\n1,2,3,good", "quality"),
            ("pq,px,d\n1,2,3", "quality"),
            ("pq,px,d,quality,colour\n1,2,3,0.5,7", "colour"),
            ("pq,px,d,quality\n1,2,-3,0.5", "line 2"),
            ("[{]", "column"),
        ] {
            let error = format!("{:#}", parse_table(text).unwrap_err());
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }

    fn npy(header: &str, data: &[f32]) -> Vec<u8> {
        let mut bytes = [MAGIC, b"\x01\x00"].concat();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data.iter().flat_map(|x| x.to_le_bytes()));
        bytes
    }

    #[test]
    fn vectors_are_read_from_an_array_and_from_lines() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
        let right = Vectors { values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.5], dimensions: 3 };
        assert_eq!(parse_npy(&npy(header, &right.values)).unwrap(), right);
        let lines = b"{\"index\":0,\"embedding\":[1,2,3]}\n\n{\"index\":1,\"embedding\":[4,5,6.5]}\n";
        assert_eq!(parse_lines(lines).unwrap(), right);
    }

    #[test]
    fn vectors_that_are_none_are_refused() {
        let header = |kind: &str, shape: &str| {
            format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}")
        };
        for bytes in [
            MAGIC.to_vec(),
            npy(&header("<f8", "(2, 3)"), &[0.0; 6]),
            npy(&header("<f4", "(6,)"), &[0.0; 6]),
            npy(&header("<f4", "(2, 4)"), &[0.0; 6]),
            npy(&header("<f4", "(0, 4)"), &[]),
            npy(&header("<f4", "(4294967296, 4294967296, )"), &[]),
            npy("{'descr': '<f4', 'fortran_order': False, }", &[]),
            [MAGIC, b"\x09\x00\x00\x00"].concat(),
            [MAGIC, b"\x01\x00\xff\xff"].concat(),
        ] {
            assert!(parse_npy(&bytes).is_err(), "{bytes:?}");
        }
        for lines in ["", "\n\n", "{\"embedding\":[]}", "{\"embedding\":[1]}\n{\"embedding\":[1,2]}", "[1,2]"]
        {
            assert!(parse_lines(lines.as_bytes()).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn many_vectors_are_thinned_evenly() {
        let many = Vectors { values: vec![0.5; 3 * (2 * MOST_VECTORS + 1)], dimensions: 3 };
        let thin = many.thinned();
        assert!(thin.count() <= MOST_VECTORS && thin.count() > MOST_VECTORS / 2, "{}", thin.count());
    }
}
