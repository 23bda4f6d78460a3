"""How each tool is asked for its verdict, and how its own words are read. One class a tool, one row in JUDGES.

A verdict is `slower`, `faster`, `equivalent`, `inconclusive` (the tool says that it cannot tell) or `none` (the tool has
no word between "changed" and silence). Seconds of sampling count warming up and sampling, of both arms.
"""

import csv
import dataclasses
import json
import os
import pathlib
import re
import shutil

import stamp
from processes import Failed, run

# zenbench's own warm-up of an arm; criterion is given the same where all tools get equal seconds.
WARM_UP_SECONDS = 0.1


@dataclasses.dataclass
class Trial:
    """One question to one tool: base against candidate, in a folder that is new and empty."""

    kernel: str
    slowdown: float
    base: pathlib.Path
    candidate: pathlib.Path
    folder: pathlib.Path
    seconds: float | None
    margin_percent: float | None
    timeout: float

    def run(self, command, settings=None, accept=(0,)):
        return run(command, self.folder, self.timeout, settings, accept)


@dataclasses.dataclass
class Answer:
    """What the tool decided, the words it was read from, and what it tells about effect and time."""

    verdict: str
    says: str
    effect_percent: float | None = None
    sampling_seconds: float | None = None


class Criterion:
    """The base's run, then the candidate's; the second compares itself with the first."""

    program = "gate-criterion"
    WORDS = (
        ("Performance has regressed.", "slower"),
        ("Performance has improved.", "faster"),
        ("No change in performance detected.", "none"),
        ("Change within noise threshold.", "none"),
    )

    def judge(self, trial):
        home = trial.folder / "criterion"
        options = ["--bench", "--exact", trial.kernel, "--noplot", "--color", "never"]
        warm_up = 3.0
        if trial.seconds is not None:
            warm_up = WARM_UP_SECONDS
            options += ["--warm-up-time", warm_up, "--measurement-time", trial.seconds / 2]
        if trial.margin_percent is not None:
            # It refuses a threshold of zero.
            options += ["--noise-threshold", max(trial.margin_percent / 100, 1e-9)]
        sampled = 0.0
        for program in (trial.base, trial.candidate):
            out = trial.run([program, *options], {"CRITERION_HOME": str(home)})
            sample = json.loads((home / trial.kernel / "new" / "sample.json").read_text())
            sampled += sum(sample["times"]) / 1e9 + warm_up
        change = json.loads((home / trial.kernel / "change" / "estimates.json").read_text())
        for words, verdict in self.WORDS:
            if words in out:
                return Answer(verdict, words, 100 * change["mean"]["point_estimate"], sampled)
        raise Failed("none of criterion's four sentences in its output")


class Tango:
    """Base and candidate at once, sample by sample against each other; significant is what it marks with a star."""

    program = "gate-tango"

    def __init__(self, *options):
        self.options = options

    def judge(self, trial):
        command = [trial.candidate, "--color", "never", "compare", trial.base, "-f", trial.kernel, "-d", "samples"]
        if trial.seconds is not None:
            command += ["-t", trial.seconds]
        if trial.margin_percent is not None:
            command += ["--noise-threshold", trial.margin_percent]
        # It exits with 1 for a regression and for an error, so the line is what decides.
        out = trial.run([*command, *self.options], accept=(0, 1))
        found = re.search(r"([+-]\d+\.\d+)%(\*?)\s*$", out)
        if not found:
            raise Failed(f"no percentage at the end of: {out.strip()[-100:] or 'nothing'}")
        percent = float(found[1])
        verdict = "none" if not found[2] else "slower" if percent > 0 else "faster"
        return Answer(verdict, found[0].strip(), percent, self.sampled(trial.folder / "samples" / f"{trial.kernel}.csv"))

    @staticmethod
    def sampled(path):
        """The arms run beside each other, so the slower of each pair is the time that passed."""
        with open(path, newline="") as lines:
            return sum(max(int(base), int(candidate)) for base, candidate, _ in csv.reader(lines)) / 1e9


def zenbench(trial, *options, accept=(0,), settings=None):
    """Its JSON. The folders are the trial's own, or a killed run would leave a reservation that blocks the next."""
    environment = {"XDG_CACHE_HOME": str(trial.folder), "ZENBENCH_DATA_DIR": str(trial.folder / "data")}
    # A description of the machine that no verdict uses, and that would count as its time.
    environment |= {"ZENBENCH_NO_CALIBRATE": "1", **(settings or {})}
    if trial.margin_percent is not None:
        environment["GATES_MARGIN"] = str(trial.margin_percent / 100)
    out = trial.run([trial.candidate, f"--group={trial.kernel}", "--format=json", *options], environment, accept)
    return json.loads(out)


def zenbench_sampled(group):
    arms = len(group["benchmarks"])
    return WARM_UP_SECONDS * arms + sum(sum(round_["elapsed_ns"]) for round_ in group["samples"]) / 1e9


class Zenbench:
    """Both arms in one process, in rounds of shuffled order; significant is an interval beyond its margin."""

    program = "gate-zenbench"

    def judge(self, trial):
        settings = {} if trial.seconds is None else {"GATES_SECONDS": str(trial.seconds)}
        # It would write the samples to disk as well, which is time spent on nothing here.
        group = zenbench(trial, settings=settings | {"ZENBENCH_NO_SAVE": "1"})["comparisons"][0]
        _, _, analysis = group["analyses"][0]
        verdict = "none" if not analysis["significant"] else "slower" if analysis["ci_lower"] > 0 else "faster"
        says = f"significant={analysis['significant']} ci=[{analysis['ci_lower']:.0f}, {analysis['ci_upper']:.0f}] ns"
        return Answer(verdict, says, analysis["pct_change"], zenbench_sampled(group))


class ZenbenchConfirm:
    """Five fresh processes with both arms in each; refuses to judge a host that is busier than 5 %."""

    program = "gate-zenbench"
    PROCESSES = 5
    WORDS = {"regression": "slower", "improvement": "faster", "equivalent": "equivalent", "non_inferior": "none"}

    def judge(self, trial):
        options = ["--mode=confirm", "--workload-id=gates", f"--processes={self.PROCESSES}"]
        if trial.seconds is not None:
            # A round of two arms takes 10 ms by its own rule of 5 ms a sample.
            options.append(f"--rounds={max(2, round(trial.seconds / self.PROCESSES / 0.010))}")
        if trial.margin_percent is not None:
            options.append(f"--margin={trial.margin_percent}")
        result = zenbench(trial, *options, accept=(0, 1, 2))
        sampled = sum(zenbench_sampled(one["comparisons"][0]) for one in result.get("replicates", []))
        if not result.get("process_comparisons"):
            return Answer("inconclusive", "invalid: no confirmation on this host", None, sampled)
        comparison = result["process_comparisons"][0]
        verdict = self.WORDS.get(comparison["verdict"], "inconclusive")
        return Answer(verdict, comparison["verdict"], comparison["estimate_pct"], sampled)


class Perfkit:
    """Blocks of two fresh processes, judged after each until something is shown or the budget is spent."""

    program = "gate-worker"
    CASES = {"spin": "gates/spin-u64/chain@baseline/1/t1", "stream": "gates/stream-u8/sum@baseline/67108864/t1"}

    def __init__(self, command, arguments):
        self.command, self.arguments, self.help = command, arguments, ""

    def missing(self):
        """Why it cannot be asked, or None."""
        if not self.command or not shutil.which(self.command):
            return "no perfkit command here: build the crate, or name it with --perfkit"
        self.command = os.path.abspath(shutil.which(self.command))
        try:
            self.help = run([self.command, "regress", "--help"], None, 30)
        except Failed as error:
            return f"perfkit regress --help: {error}"
        absent = [flag for flag in ("--base ", "--candidate ", "--case ") if flag not in self.help]
        return f"this perfkit's regress has no {', '.join(absent)}".rstrip() if absent else None

    def judge(self, trial):
        command = [self.command, "regress", "--base", trial.base, "--candidate", trial.candidate]
        command += ["--case", self.CASES[trial.kernel], "--json", *self.arguments]
        flag = next((flag for flag in ("--budget", "--time") if f"{flag} " in self.help), None)
        if trial.seconds is not None and flag:
            command += [flag, trial.seconds]
        if trial.margin_percent is not None:
            command += ["--max-regression", self.margin(trial.margin_percent)]
        document = json.loads(trial.run(command, accept=(0, 1, 3, 4)))
        if not document.get("changes"):
            return Answer("inconclusive", f"no change listed; {document.get('verdict')}")
        change = document["changes"][0]
        ratio = (change.get("ratio") or {}).get("value")
        sequential = change.get("sequential") or {}
        says = " ".join(filter(None, (change["verdict"], change.get("reason"), f"exit {document.get('exit_code')}")))
        # An unfit host or a failed control withholds every verdict.
        verdict = "inconclusive" if document.get("exit_code") == 4 else change["verdict"]
        return Answer(verdict, says, 100 * (ratio - 1) if ratio else None, sequential.get("sampling_seconds"))

    def margin(self, percent):
        """In percent, except where the help still says that it takes a share."""
        share = re.search(r"--max-regression <SHARE>", self.help)
        return percent / 100 if share else percent


def judges(perfkit, perfkit_arguments):
    """Every tool by name, in the order of the table."""
    return {
        "criterion": Criterion(),
        "tango": Tango(),
        "tango-outliers": Tango("--filter-outliers"),
        "zenbench": Zenbench(),
        "zenbench-confirm": ZenbenchConfirm(),
        "perfkit": Perfkit(perfkit, perfkit_arguments),
    }


def why_not(judge):
    """Why a tool has to be skipped, or None: it does not build here, or its command is missing."""
    return getattr(judge, "missing", lambda: None)() or stamp.build(judge.program)
