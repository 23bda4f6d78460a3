"""The Markdown table of a run: counts of verdicts, and how sure they make one."""

import json
import math
import statistics

NO_VERDICT = ("none", "inconclusive")
HEAD = (
    "| tool | kernel | slowdown | trials | slower | faster | equivalent | no verdict | failed "
    "| share slower (95 %) | median s sampling | median s whole |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|"
)


def read(paths):
    """The rows of one or several journals; a line that an interruption cut short is left out."""
    rows = []
    for path in paths:
        with open(path) as lines:
            for line in lines:
                try:
                    rows.append(json.loads(line))
                except json.JSONDecodeError:
                    continue
    return rows


def at_most(hits, trials, share):
    """The probability of at most so many hits, by logarithms since the binomial coefficients outgrow a float."""
    if share <= 0.0:
        return 1.0
    if share >= 1.0:
        return 1.0 if hits >= trials else 0.0
    return sum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(share)
            + (trials - k) * math.log1p(-share)
        )
        for k in range(hits + 1)
    )


def root(rising):
    """Where a rising function of a share passes zero."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def clopper_pearson(hits, trials, confidence=0.95):
    """The exact interval of a binomial share (Clopper and Pearson, Biometrika 26, 1934)."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else root(lambda p: (1 - at_most(hits - 1, trials, p)) - tail)
    high = 1.0 if hits == trials else root(lambda p: tail - at_most(hits, trials, p))
    return low, high


def median(rows, field):
    known = [row[field] for row in rows if row.get(field) is not None]
    return f"{statistics.median(known):.2f}" if known else "-"


def line(key, rows):
    tool, kernel, slowdown = key
    judged = [row for row in rows if row["verdict"] != "failed"]
    count = lambda *words: sum(row["verdict"] in words for row in judged)
    share = "-"
    if judged:
        low, high = clopper_pearson(count("slower"), len(judged))
        share = f"{100 * count('slower') / len(judged):.0f} % ({100 * low:.1f} to {100 * high:.1f})"
    cells = (tool, kernel, f"{100 * slowdown:+g} %", len(judged), count("slower"), count("faster"))
    cells += (count("equivalent"), count(*NO_VERDICT), len(rows) - len(judged), share)
    cells += (median(judged, "sampling_seconds"), median(judged, "whole_seconds"))
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def markdown(rows):
    """One table for each way the trials were run, and what was skipped in it."""
    settings = lambda row: (row["seconds"], row["margin_percent"], row["noise"])
    text = []
    for setting in sorted({settings(row) for row in rows}, key=str):
        seconds, margin, noise = setting
        text.append(
            f"### {'own times' if seconds is None else f'{seconds:g} s each'}, "
            f"{'own margins' if margin is None else f'a margin of {margin:g} %'}, "
            f"{'noise injected' if noise else 'no noise injected'}\n\n{HEAD}"
        )
        here = [row for row in rows if settings(row) == setting]
        cells = {}
        for row in (row for row in here if row["row"] == "trial"):
            cells.setdefault((row["tool"], row["kernel"], row["slowdown"]), []).append(row)
        for key in sorted(cells, key=lambda key: (key[1], key[2], key[0])):
            text.append(line(key, cells[key]))
        skipped = sorted({f"{row['tool']}: skipped: {row['why']}" for row in here if row["row"] == "skipped"})
        text.append("\n" + "\n".join(f"- {note}" for note in skipped) + "\n" if skipped else "")
    return "\n".join(text)
