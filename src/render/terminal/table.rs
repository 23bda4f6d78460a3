//! Tables as wide as the terminal: the less important columns are left out where they do not fit.

use comfy_table::{
    Attribute, CellAlignment, Color, ContentArrangement, ContentLineStyle, LineStyle, TableStyle,
};

use super::super::page::{Align, Cell, Table, Tone};
use super::{Style, clean, fold};

/// Space, nothing else, between columns; a thin line under the header.
const TABLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('\u{2500}').junction('\u{2500}'))
    .content_lines(ContentLineStyle::none());

/// A table under its caption.
pub(super) fn write(style: &Style, table: &Table) -> String {
    let keep = columns_that_fit(table, style.width);
    let mut out = comfy_table::Table::new();
    out.load_style(TABLE);
    out.set_content_arrangement(ContentArrangement::Dynamic);
    out.set_width(u16::try_from(style.width).unwrap_or(u16::MAX));
    if style.color {
        out.enforce_styling();
    } else {
        out.force_no_tty();
    }
    out.set_header(keep.iter().map(|&i| {
        let cell = comfy_table::Cell::new(clean(&table.columns[i].title));
        if style.color { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    let widths: Vec<usize> = (0..table.columns.len()).map(|i| natural_width(table, i)).collect();
    let others: usize = keep.iter().filter(|&&i| i != 0).map(|&i| widths[i]).sum();
    let room = style.width.saturating_sub(others + GAP);
    for row in &table.rows {
        out.add_row(keep.iter().map(|&i| match row.get(i) {
            Some(text) if i == 0 => cell(style, text, &break_at_slashes(&clean(&text.text), room)),
            Some(text) => cell(style, text, &clean(&text.text)),
            None => comfy_table::Cell::new(""),
        }));
    }
    for (at, &i) in keep.iter().enumerate() {
        if let Some(column) = out.column_mut(at) {
            column.set_cell_alignment(match table.columns[i].align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
        }
    }
    let caption = style.paint(Tone::Quiet, &fold(style, " ", &table.caption));
    format!("{caption}\n{}\n", out.trim_fmt())
}

fn cell(style: &Style, cell: &Cell, text: &str) -> comfy_table::Cell {
    let out = comfy_table::Cell::new(text);
    match foreground(cell.tone).filter(|_| style.color) {
        Some(color) => out.fg(color),
        None => out,
    }
}

const fn foreground(tone: Tone) -> Option<Color> {
    match tone {
        Tone::Normal => None,
        Tone::Quiet => Some(Color::DarkGrey),
        Tone::Good => Some(Color::Green),
        Tone::Warn => Some(Color::Yellow),
        Tone::Bad => Some(Color::Red),
    }
}

/// What stands between two columns.
const GAP: usize = 3;
/// Longer texts are broken rather than make other columns be left out.
const WIDEST: usize = 63;

/// The width of a column that is not broken, with the gap to the next.
fn natural_width(table: &Table, column: usize) -> usize {
    let cells = table.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
    let title = table.columns[column].title.chars().count();
    cells.chain([title]).max().unwrap_or(0) + GAP
}

/// The name of a case on as many lines as it needs: broken behind its slashes, which stay, so that the lines put together
/// are the name again. A part that is too long for a line is left to the table.
fn break_at_slashes(text: &str, room: usize) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut used = 0;
    for part in text.split_inclusive('/') {
        let width = part.chars().count();
        if used > 0 && used + width > room {
            out.push('\n');
            used = 0;
        }
        out.push_str(part);
        used += width;
    }
    out
}

/// Indices of the columns to show: the most spare are dropped until the rest fits, but those that stay always stay.
fn columns_that_fit(table: &Table, width: usize) -> Vec<usize> {
    let widths: Vec<usize> = (0..table.columns.len()).map(|i| natural_width(table, i).min(WIDEST)).collect();
    let mut keep: Vec<usize> = (0..table.columns.len()).collect();
    loop {
        let total: usize = keep.iter().map(|&i| widths[i]).sum();
        let spare = keep.iter().copied().filter(|&i| table.columns[i].spare > 0);
        match spare.max_by_key(|&i| (table.columns[i].spare, i)) {
            Some(drop) if total > width => keep.retain(|&i| i != drop),
            Some(_) | None => return keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cases_break_behind_their_slashes() {
        let case = "memory/read-dram-u8/stream@avx512/268435456/t1";
        assert_eq!(break_at_slashes(case, 60), case);
        assert_eq!(break_at_slashes(case, 40), "memory/read-dram-u8/stream@avx512/\n268435456/t1");
        for room in 0..50 {
            assert_eq!(break_at_slashes(case, room).replace('\n', ""), case);
        }
    }
}
