"""The table of the goals, out of the documents that were measured."""

import statistics

import rows


def milliseconds(seconds):
    return f"{1e3 * seconds:.3g} ms"


def mebibytes(size):
    return "unknown" if size is None else f"{size / 2**20:.0f} MiB"


def met(value, low, high, goal, least=True):
    """Whether a figure reaches its goal, and whether its spread reaches across it."""
    if goal is None:
        return ""
    reaches = value >= goal if least else value <= goal
    straddles = low < goal < high
    return ("yes" if reaches else "no") + (", within the spread" if straddles else "")


def is_whole(document):
    """Whether everything that was asked for was measured."""
    return document is not None and all(row["outcome"] == "measured" for row in document["outcomes"])


def measured(document):
    return {row["case"]: row for row in document["outcomes"] if row["outcome"] == "measured"}


def only_case(document):
    """The one case of ours; none where it was not measured."""
    return next(iter(measured(document).values()), None) if document else None


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def ratios(contests, missing):
    head = ["shape", "precision", "engine", "native", "it", "ratio", "spread", "goal", "met", "least cosine", "cold start, native's",
            "peak memory, native's"]
    lines = [row(*head), row(*["---"] * len(head))]
    versions = {}
    for contest, documents in contests:
        for engine, document in documents.items():
            if document is None:
                missing.append(f"{contest.name}, {engine}: perfkit gave no document")
                continue
            cases = measured(document)
            for outcome in document["outcomes"]:
                if outcome["outcome"] != "measured":
                    missing.append(f"{outcome['case']}: {outcome['why']}")
            for found in document.get("engines", []):
                peer, native, ratio = cases[found["case"]], cases[found["native"]], found["ratio"]
                way, shape = (part.split("@")[0] for part in found["case"].split("/")[2:4])
                goal = contest.goal(way)
                value, low, high = (ratio[key] for key in ("value", "low", "high"))
                versions[engine] = peer["peer"]["version"]
                starts = [one["facts"].get("cold_start_seconds") for one in (peer, native)]
                lines.append(row(
                    shape, contest.precision, way,
                    *(milliseconds(one["derived"]["median_seconds"]) for one in (native, peer)),
                    f"{value:.2f}", f"{low:.2f} to {high:.2f}", goal or "", met(value, low, high, goal),
                    f"{peer['facts']['cosine_minimum']:.5f}",
                    ", ".join("unknown" if x is None else milliseconds(x) for x in starts),
                    ", ".join(mebibytes(one.get("peak_rss_bytes")) for one in (peer, native)),
                ))
    note = ", ".join(f"{engine} {version}" for engine, version in versions.items())
    return [*lines, "", f"Versions: {note}."] if contests else []


def spread(name, values, shown, goal, least=True):
    """A line on a figure that was taken several times."""
    if not values:
        return []
    low, middle, high = min(values), statistics.median(values), max(values)
    sign = "at least" if least else "at most"
    return [row(name, shown(middle), f"{shown(low)} to {shown(high)}", f"{sign} {shown(goal)}", met(middle, low, high, goal, least))]


def figures(contests, alternating, whole, starts, base):
    lines = []
    for precision, pairs in alternating.items():
        times = [tuple(map(only_case, pair)) for pair in pairs]
        times = [tuple(one["derived"]["median_seconds"] for one in pair) for pair in times if all(pair)]
        gains = [one / two for one, two in times]
        lines += spread(f"2 threads over 1, 32x64 {precision}", gains, lambda x: f"{x:.2f}", rows.THREADS[1])
    singles = [only_case(one) for one, _ in alternating.get("f32", [])]
    shares = [one["derived"]["flops_per_second"] / one["facts"]["peak_flops_per_second"] for one in singles
              if one and one["facts"].get("peak_flops_per_second")]
    lines += spread("share of the measured peak, 32x64 f32", shares, lambda x: f"{100 * x:.0f} %", rows.SHARE_OF_PEAK)
    for precision, document in whole.items():
        case = only_case(document)
        cosines = [case["facts"]["cosine_minimum"]] if case and "cosine_minimum" in case["facts"] else []
        lines += spread(f"least cosine on the corpus, {precision}", cosines, lambda x: f"{x:.5f}", rows.COSINES[precision])
    seconds = [case["facts"].get("cold_start_seconds") for case in map(only_case, starts) if case]
    seconds = [one for one in seconds if one is not None]
    lines += spread("start of the process to the first vector, 1x16 f32", seconds, milliseconds, rows.COLD_START, False)
    where, engine, most = rows.MEMORY
    for contest, documents in contests:
        if contest.name == where and documents.get(engine):
            cases = measured(documents[engine])
            for found in documents[engine].get("engines", []):
                native, peer = (cases[found[key]].get("peak_rss_bytes") for key in ("native", "case"))
                shares = [native / peer] if native and peer else []
                lines += spread(f"memory over {engine}'s, {where}", shares, lambda x: f"{x:.2f}", most, False)
    lines += spread("memory without a model", [base] if base else [], mebibytes, rows.BASE_MEMORY, False)
    head = ["figure", "value", "spread", "goal", "met"]
    return ["", row(*head), row(*["---"] * len(head)), *lines] if lines else []


def markdown(contests, alternating, whole, starts, base):
    """Ratios: the time of the engine over native's, above 1 where native is faster."""
    missing = []
    lines = ratios(contests, missing) + figures(contests, alternating, whole, starts, base)
    rounds = [one for pairs in alternating.values() for pair in pairs for one in pair]
    for what, documents in (("threads", rounds), ("alone", [*whole.values(), *starts])):
        short = sum(not is_whole(document) for document in documents)
        missing += [f"{what}: {short} of {len(documents)} gave nothing"] if short else []
    lines += ["", "Not measured:", "", *(f"- {line}" for line in missing)] if missing else []
    return "\n".join(lines) + "\n"
