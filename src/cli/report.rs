//! `perfkit report`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Context, Exit};
use crate::analysis::recommend::recommend;
use crate::document::{Document, read_document, read_tuning, write_atomically};
use crate::render::page::Extras;
use crate::render::report::{Source, format, write_charts};
use crate::render::terminal;

/// Render a saved document, or several side by side
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  perfkit report --from reports/latest/results.json
  perfkit report --from results.json --html report.html --charts charts
  perfkit report --from before.json --with after.json --markdown both.md")]
pub(super) struct Args {
    /// A results document
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Another to stand beside the first (may be given again)
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// A search that `tune` wrote with --json, for the dashboard of the page (may be given again)
    #[arg(long, value_name = "FILE", requires = "html")]
    tuning: Vec<PathBuf>,
    /// Write one self-contained page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write JUnit XML: a test case for each case of the first document
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a row for each case
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the charts of the first document, as PNG and SVG
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let paths: Vec<&Path> = std::iter::once(&args.from).chain(&args.with).map(PathBuf::as_path).collect();
    let documents = paths
        .iter()
        .map(|path| read_document(path).context("name a results.json that `perfkit run` wrote"))
        .collect::<Result<Vec<Document>, _>>()?;
    let named: Vec<(String, &Document)> = names(&paths).into_iter().zip(&documents).collect();
    let advice = documents.first().map(recommend).unwrap_or_default();
    let tunings = args.tuning.iter().map(|path| read_tuning(path)).collect::<Result<Vec<_>, _>>()?;
    let extras = Extras { recommendations: &advice, tunings: &tunings, ..Extras::default() };
    let source = Source { documents: &named, extras };
    let wanted =
        [("html", &args.html), ("markdown", &args.markdown), ("junit", &args.junit), ("csv", &args.csv)];
    for (name, path) in wanted {
        if let (Some(path), Some(format)) = (path, format(name)) {
            let text = (format.write)(&source)?;
            write_atomically(path, text.as_bytes()).with_context(|| {
                format!("cannot write {}: choose a folder that exists and is writable", path.display())
            })?;
            context.note(&format!("wrote {}", path.display()));
        }
    }
    if let (Some(folder), Some(document)) = (&args.charts, documents.first()) {
        for path in write_charts(document, folder)? {
            context.note(&format!("wrote {}", path.display()));
        }
    }
    let silent = args.charts.is_some() || wanted.iter().any(|(_, path)| path.is_some());
    if context.json {
        let json = format("json").context("no format json")?;
        context.out.write_all((json.write)(&source)?.as_bytes())?;
    } else if !silent {
        let text = terminal::page(&source.page(), context.color, terminal::width());
        context.out.write_all(text.as_bytes())?;
    }
    Ok(Exit::Fine)
}

/// The names of the documents: file stems, or where those are alike the folders before them.
fn names(paths: &[&Path]) -> Vec<String> {
    let part =
        |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut names: Vec<String> = paths.iter().map(|path| part(path)).collect();
    if repeats(&names) {
        let folder = |path: &&Path| {
            path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned())
        };
        names = paths.iter().map(|path| folder(path).unwrap_or_else(|| part(path))).collect();
    }
    if repeats(&names) {
        names = names.iter().enumerate().map(|(i, name)| format!("{name} {}", i + 1)).collect();
    }
    names
}

fn repeats(names: &[String]) -> bool {
    names.iter().enumerate().any(|(i, name)| names[..i].contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_apart_by_what_differs_in_their_paths() {
        let names = |texts: &[&str]| names(&texts.iter().map(|t| Path::new(*t)).collect::<Vec<_>>());
        assert_eq!(names(&["a/x.json", "b/y.json"]), ["x", "y"]);
        assert_eq!(names(&["a/results.json", "b/results.json"]), ["a", "b"]);
        assert_eq!(names(&["results.json", "results.json"]), ["results 1", "results 2"]);
    }
}
