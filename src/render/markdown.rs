//! The page as Markdown: headings, lists and tables that GitHub and GitLab show.

use super::page::{Align, Block, Page, Table, Tone};

/// Writes a page.
#[must_use]
pub(super) fn write(page: &Page) -> String {
    let mut out = format!("# {}\n\n{}\n\n", escape(&page.title), escape(&page.headline));
    out.push_str(&format!("{}\n", escape(&page.subtitle)));
    for section in &page.sections {
        out.push_str(&format!("\n## {}\n", escape(&section.title)));
        if let Some(lead) = &section.lead {
            out.push_str(&format!("\n{}\n", escape(lead)));
        }
        for block in &section.blocks {
            write_block(&mut out, block);
        }
    }
    out
}

/// Writes one block; pictures are left out.
pub(super) fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Facts(facts) => {
            out.push_str("\n| | |\n| --- | --- |\n");
            for fact in facts {
                out.push_str(&format!("| {} | {} |\n", escape(&fact.name), escape(&fact.value)));
            }
        }
        Block::Table(table) => write_table(out, table),
        Block::Figure(_) => {}
        Block::Notes(notes) => {
            out.push('\n');
            for note in notes {
                let word = match note.tone {
                    Tone::Good => "ok",
                    Tone::Warn => "**warn**",
                    Tone::Bad => "**bad**",
                    Tone::Normal | Tone::Quiet => "note",
                };
                let name =
                    if note.name == "note" { String::new() } else { format!("{}: ", escape(&note.name)) };
                out.push_str(&format!("- {word}: {name}{}", escape(&note.text)));
                if let Some(remedy) = &note.remedy {
                    out.push_str(&format!(" ({})", escape(remedy)));
                }
                out.push('\n');
            }
        }
        Block::Advice(advice) => {
            out.push('\n');
            for (i, advice) in advice.iter().enumerate() {
                out.push_str(&format!(
                    "{}. **{}**\n   {}\n   Effect: {}.\n",
                    i + 1,
                    escape(&advice.action),
                    escape(&advice.why),
                    escape(&advice.effect)
                ));
                if !advice.evidence.is_empty() {
                    let cases: Vec<String> = advice.evidence.iter().map(|case| escape(case)).collect();
                    out.push_str(&format!("   Evidence: {}\n", cases.join(", ")));
                }
            }
        }
    }
}

/// Writes a table under its caption, or folded behind it.
pub(super) fn write_table(out: &mut String, table: &Table) {
    let caption = escape(&table.caption);
    if table.folded {
        out.push_str(&format!("\n<details><summary>{caption}</summary>\n\n"));
    } else {
        let end = if caption.ends_with('.') { "" } else { ":" };
        out.push_str(&format!("\n{caption}{end}\n\n"));
    }
    let titles: Vec<String> = table.columns.iter().map(|column| escape(&column.title)).collect();
    let rules: Vec<&str> = table
        .columns
        .iter()
        .map(|column| match column.align {
            Align::Left => "---",
            Align::Right => "---:",
        })
        .collect();
    out.push_str(&format!("| {} |\n| {} |\n", titles.join(" | "), rules.join(" | ")));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| escape(&cell.text)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    if table.folded {
        out.push_str("\n</details>\n");
    }
}

/// Text that stays text: signs that Markdown or HTML would obey are escaped, line ends become spaces.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '`' | '*' | '[' | ']' | '\\' | '_' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
