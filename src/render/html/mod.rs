//! The report as one self-contained page: no file beside it and no network, the style, the script and the data inside.
//!
//! Whatever comes from a document passes [`escape`], and the embedded data holds no `<`, so that a hostile name stays text;
//! a content policy in the page forbids loading anything even so.

use std::fmt::Write;

use super::page::{Advice, Align, Block, Cell, Fact, Note, Page, Section, Table, Tone};

static STYLE: &str = include_str!("style.css");
static SCRIPT: &str = include_str!("page.js");

/// Writes a page with its data, a JSON text.
#[must_use]
pub fn write(page: &Page, data: &str) -> String {
    let mut out = String::with_capacity(data.len() + (64 << 10));
    let title = escape(&page.title);
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:\">\n",
    );
    push(&mut out, format_args!("<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"));
    out.push_str("<a class=\"skip\" href=\"#main\">Skip to the report</a>\n");
    write_header(&mut out, page);
    write_navigation(&mut out, page);
    out.push_str("<main id=\"main\">\n");
    for section in &page.sections {
        write_section(&mut out, section);
    }
    out.push_str("</main>\n<footer><p>The measured facts behind this page are inside it, as JSON in the element <code>#data</code>.</p></footer>\n");
    push(&mut out, format_args!("<script type=\"application/json\" id=\"data\">{}</script>\n", inert(data)));
    push(&mut out, format_args!("<script>\n{SCRIPT}</script>\n</body>\n</html>\n"));
    out
}

/// Writing to a string cannot fail, so the result is not looked at.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn write_header(out: &mut String, page: &Page) {
    push(out, format_args!("<header>\n<p class=\"kicker\">{}</p>\n", escape(&page.title)));
    push(out, format_args!("<h1>{}</h1>\n", escape(&page.headline)));
    push(out, format_args!("<p class=\"subtitle\">{}</p>\n", escape(&page.subtitle)));
    if !page.highlights.is_empty() {
        out.push_str("<ul class=\"tiles\">\n");
        for fact in &page.highlights {
            write_tile(out, fact);
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</header>\n");
}

fn write_tile(out: &mut String, fact: &Fact) {
    let (number, unit) = fact.value.split_once(' ').unwrap_or((&fact.value, ""));
    push(
        out,
        format_args!(
            "<li><span class=\"name\">{}</span> <span class=\"value\">{} <span class=\"unit\">{}</span></span> \
             <span class=\"detail\">{}</span></li>\n",
            escape(&fact.name),
            escape(number),
            escape(unit),
            escape(&fact.detail)
        ),
    );
}

fn write_navigation(out: &mut String, page: &Page) {
    out.push_str("<nav aria-label=\"Sections\"><ul>");
    for section in &page.sections {
        push(
            out,
            format_args!("<li><a href=\"#{}\">{}</a></li>", escape(section.id), escape(&section.title)),
        );
    }
    out.push_str("</ul></nav>\n");
}

fn write_section(out: &mut String, section: &Section) {
    let id = escape(section.id);
    push(out, format_args!("<section id=\"{id}\" aria-labelledby=\"h-{id}\">\n"));
    push(out, format_args!("<h2 id=\"h-{id}\">{}</h2>\n", escape(&section.title)));
    if let Some(lead) = &section.lead {
        push(out, format_args!("<p class=\"lead\">{}</p>\n", escape(lead)));
    }
    for block in &section.blocks {
        write_block(out, block);
    }
    out.push_str("</section>\n");
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Facts(facts) => {
            out.push_str("<dl class=\"facts\">\n");
            for fact in facts {
                push(
                    out,
                    format_args!(
                        "<div><dt>{}</dt><dd>{}</dd></div>\n",
                        escape(&fact.name),
                        escape(&fact.value)
                    ),
                );
            }
            out.push_str("</dl>\n");
        }
        Block::Table(table) => write_table(out, table),
        Block::Figure(figure) => push(
            out,
            format_args!(
                "<figure class=\"chart\">\n<figcaption><strong>{}</strong> {}</figcaption>\n\
                 <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">{}</div>\n</figure>\n",
                escape(&figure.title),
                escape(&figure.subtitle),
                escape(&figure.title),
                figure.to_inline_svg()
            ),
        ),
        Block::Notes(notes) => {
            out.push_str("<ul class=\"notes\">\n");
            for note in notes {
                write_note(out, note);
            }
            out.push_str("</ul>\n");
        }
        Block::Advice(advice) => {
            out.push_str("<ol class=\"advice\">\n");
            for advice in advice {
                write_advice(out, advice);
            }
            out.push_str("</ol>\n");
        }
    }
}

fn write_note(out: &mut String, note: &Note) {
    let word = match note.tone {
        Tone::Good => "ok",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
        Tone::Normal | Tone::Quiet => "note",
    };
    push(out, format_args!("<li><span class=\"badge {}\">{word}</span><div>", class(note.tone)));
    if note.name != "note" {
        push(out, format_args!("<strong>{}</strong> ", escape(&note.name)));
    }
    out.push_str(&escape(&note.text));
    if let Some(remedy) = &note.remedy {
        push(out, format_args!("<p class=\"remedy\">{}</p>", escape(remedy)));
    }
    out.push_str("</div></li>\n");
}

fn write_advice(out: &mut String, advice: &Advice) {
    push(
        out,
        format_args!(
            "<li><h3>{}</h3><p>{}</p><p class=\"effect\"><span>Effect</span> {}</p>",
            escape(&advice.action),
            escape(&advice.why),
            escape(&advice.effect)
        ),
    );
    if !advice.evidence.is_empty() {
        out.push_str("<ul class=\"evidence\">");
        for case in &advice.evidence {
            push(out, format_args!("<li><code>{}</code></li>", escape(case)));
        }
        out.push_str("</ul>");
    }
    out.push_str("</li>\n");
}

fn write_table(out: &mut String, table: &Table) {
    let caption = escape(&table.caption);
    if table.folded {
        let rows = table.rows.len();
        push(
            out,
            format_args!("<details><summary>{caption} <span class=\"count\">{rows}</span></summary>\n"),
        );
    }
    push(
        out,
        format_args!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table>\n"
        ),
    );
    let hidden = if table.folded { " class=\"hidden\"" } else { "" };
    push(out, format_args!("<caption{hidden}>{caption}</caption>\n<thead><tr>"));
    for column in &table.columns {
        let align = align(column.align);
        push(out, format_args!("<th scope=\"col\"{align}>{}</th>", escape(&column.title)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let align = table.columns.get(i).map_or("", |column| self::align(column.align));
            write_cell(out, cell, i == 0, align);
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    if table.folded {
        out.push_str("</details>\n");
    }
}

fn write_cell(out: &mut String, cell: &Cell, heads_row: bool, align: &str) {
    let (open, close) = if heads_row { ("th scope=\"row\"", "th") } else { ("td", "td") };
    let number = match cell.number.filter(|n| n.is_finite()) {
        Some(number) => format!(" data-sort=\"{number}\""),
        None => String::new(),
    };
    let text = escape(&cell.text);
    let text = match cell.tone {
        Tone::Normal => text,
        Tone::Quiet => format!("<span class=\"quiet\">{text}</span>"),
        Tone::Good | Tone::Warn | Tone::Bad => {
            format!("<span class=\"badge {}\">{text}</span>", class(cell.tone))
        }
    };
    let bar = match cell.share.filter(|share| share.is_finite()) {
        Some(share) => {
            format!(
                "<span class=\"meter\" aria-hidden=\"true\"><i style=\"width:{:.1}%\"></i></span>",
                100.0 * share.clamp(0.0, 1.0)
            )
        }
        None => String::new(),
    };
    push(out, format_args!("<{open}{align}{number}>{bar}{text}</{close}>"));
}

const fn align(align: Align) -> &'static str {
    match align {
        Align::Left => "",
        Align::Right => " class=\"n\"",
    }
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Normal | Tone::Quiet => "quiet",
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
    }
}

/// JSON that no parser of HTML takes for markup: these signs stand in its strings alone, where they may be written so.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Text for an element or an attribute in double quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML 1.0 (and so an SVG file) has no other control characters, nor these two that are none.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
