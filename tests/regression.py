"""A regression of known size in real browsers: is it found, and is nothing found where nothing changed?

    cargo bundle --out target/ab/base
    cargo bundle --engine-features slow-for-tests --out target/ab/slow
    python3 tests/regression.py target/ab null 20      # campaigns of the unchanged build, each judged by the gate
    python3 tests/regression.py target/ab slow 3       # campaigns of the slowed build, each against the last good one
    python3 tests/regression.py target/ab ab-null 20   # the unchanged build against itself, runs in turns
    python3 tests/regression.py target/ab ab-slow 3    # the slowed build against the unchanged one, runs in turns
    python3 tests/regression.py target/ab report       # what came of them, as Markdown

Everything is kept in the folder that is named first, so that the parts can be run at different times. A part is worth
something only on a machine that does nothing else. With `slow-for-tests` every run takes 20 % longer: severe. `report` judges
the campaigns again, in their order, so that its verdicts are those of the program it is run with.
"""

import collections
import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABPOOL = os.environ.get("TABPOOL", ROOT / "target" / "debug" / "tabpool")
MODELS = "silero-vad,magika"
BROWSERS = "chromium,firefox"
FAIL_ON = "severe"


def tabpool(*arguments):
    """The document that a command prints; a finding is a result too."""
    process = subprocess.run([TABPOOL, *map(str, arguments), "--json"], capture_output=True, text=True)
    if process.returncode not in (0, 1, 5):
        sys.exit(f"tabpool {arguments} ended with {process.returncode}: {process.stderr}")
    return json.loads(process.stdout)


def pages(build, folder):
    """The pages with another build."""
    for entry in (ROOT / "www").iterdir():
        if entry.name != "pkg":
            (folder / entry.name).symlink_to(entry)
    (folder / "pkg").symlink_to(build.resolve())
    return folder


def keep(work, kind, document):
    with (work / f"{kind}.jsonl").open("a") as file:
        print(json.dumps(document), file=file)


def kept(work, kind):
    path = work / f"{kind}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def campaigns(work, kind, n):
    """Measures the build, and has the gate judge it."""
    build = work / ("base" if kind == "null" else "slow")
    database = work / "history.sqlite"
    with tempfile.TemporaryDirectory() as folder:
        www = pages(build, pathlib.Path(folder))
        for _ in range(n):
            options = ["--runs", 15, "--warmup", 3, "--db", database, "--www", www]
            tabpool("bench", "--model", MODELS, "--browser", BROWSERS, *options)
            keep(work, kind, judge(database))


def judge(database, *more):
    return tabpool("gate", "--baseline", "good", "--fail-on", FAIL_ON, "--db", database, *more)


def duels(work, kind, n):
    """Runs of two builds in turns, a family of its own each time."""
    builds = [work / "base", work / ("base" if kind == "ab-null" else "slow")]
    for _ in range(n):
        with tempfile.TemporaryDirectory() as folder:
            www = pages(builds[0], pathlib.Path(folder))
            options = ["--runs", 12, "--warmup", 3, "--fail-on", FAIL_ON, "--db", work / "ab.sqlite", "--www", www]
            document = tabpool("bench", "--ab", *builds, "--model", "silero-vad", "--browser", BROWSERS, *options)
            keep(work, kind, document)


def judge_again(work, copy):
    """The verdicts on all campaigns in their order, each of which sees only earlier ones: lists of documents by kind."""
    kinds = {candidate(document): kind for kind in ("null", "slow") for document in kept(work, kind)}
    with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE campaign SET verdict = NULL")
    documents = {"null": [], "slow": []}
    for campaign, kind in sorted(kinds.items()):
        documents[kind].append(judge(copy, "--campaign", campaign))
    return documents


def candidate(document):
    return int(document["candidate"].split()[1])


def pairs(copy, documents):
    """Every unchanged campaign against every one before it, as if one were all that there is to compare with: families,
    families with a change in them, comparisons, and those that the runs alone would call significant."""
    ids = [candidate(document) for document in documents]
    alarms, wrong, n_comparisons, n_families = 0, 0, 0, 0
    for index, later in enumerate(ids):
        for earlier in ids[:index]:
            options = ["--campaign", later, "--baseline", f"campaign:{earlier}", "--fail-on", FAIL_ON, "--db", copy]
            compared = tabpool("gate", *options)["verdict"]["compared"]
            alone = [one["runs_alone"]["p_value"] for one in compared if one["runs_alone"]]
            n_families += 1
            n_comparisons += len(alone)
            wrong += sum(p_value < 0.01 for p_value in alone)
            alarms += any(one["outcome"] in ("slower", "faster", "broken") for one in compared)
    return n_families, alarms, n_comparisons, wrong


def percent(ratio):
    return f"{100 * (ratio - 1):+.0f} %"


def finding(one):
    """What the gate says of a slowed case: the change with its interval, and severity or outcome."""
    if one["ratio"] is None:
        return one["outcome"]
    low, high = one["ratio_interval"]
    word = one["outcome"]
    if one["graded"]:
        word = f"{one['graded']['severity']}, at least {one['graded']['at_least']}"
    return f"{percent(one['ratio'])} ({percent(low)} to {percent(high)}): {word}"


def report(work):
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "history.sqlite"
        tabpool("history", "backup", copy, "--db", work / "history.sqlite")
        documents = judge_again(work, copy)
        found = pairs(copy, documents["null"])
        with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
            slowed = ",".join(str(candidate(document)) for document in documents["slow"])
            connection.execute(f"UPDATE campaign SET is_experiment = 1 WHERE id IN ({slowed})")
        trends = tabpool("regressions", "--since", "5200w", "--db", copy)
    documents |= {kind: kept(work, kind) for kind in ("ab-null", "ab-slow")}
    print(f"\n## Real browsers\n\nMade by `tests/regression.py`: {MODELS} in {BROWSERS}, the unchanged build and one")
    print("whose runs take 20 % longer, which is severe. A family is what one call of the gate judges; it fails on")
    print(f"{FAIL_ON} regressions. Every campaign sees only earlier ones.\n")
    print("| part | families | with an alarm | failed | passed | not enough data |\n| --- | --- | --- | --- | --- | --- |")
    names = {
        "null": "unchanged, against good campaigns",
        "ab-null": "unchanged, in turns with itself",
        "slow": "slowed, against good campaigns",
        "ab-slow": "slowed, in turns with the unchanged one",
    }
    slowed = collections.defaultdict(list)
    for kind, name in names.items():
        verdicts = [document["verdict"] for document in documents[kind]]
        judged = [verdict for verdict in verdicts if any(one["outcome"] != "new" for one in verdict["compared"])]
        is_alarm = {"slower", "faster", "broken"}
        alarms = sum(any(one["outcome"] in is_alarm for one in verdict["compared"]) for verdict in judged)
        decisions = collections.Counter(verdict["decision"] for verdict in judged)
        counts = [decisions[decision] for decision in ("fail", "pass", "not-enough-data")]
        print(f"| {name} | {len(judged)} | {alarms} | {' | '.join(map(str, counts))} |")
        for one in (one for verdict in judged for one in verdict["compared"] if "slow" in kind):
            mode = "in turns" if kind == "ab-slow" else "campaigns"
            slowed[f"{one['model']} {one['case']}, {one['browser']}", mode].append(one)
    n_families, alarms, n_comparisons, wrong = found
    print(f"\nEvery unchanged campaign against every single one before it: {alarms} of {n_families} families have a slower or")
    print(f"faster case in them. By the rank test of the runs alone, {wrong} of {n_comparisons} comparisons would be significant")
    print("at 1 %: runs of one campaign share its luck, which is why campaigns are what is counted.")
    n_findings, n_series = len(trends["findings"]), trends["n_series"]
    print(f"\n`regressions` over the unchanged campaigns: {n_findings} findings in {n_series} series (warm and cold).")
    print("\n| slowed build | mode | new over old, with its 95 % interval |\n| --- | --- | --- |")
    for (place, mode), results in sorted(slowed.items()):
        print(f"| {place} | {mode} | {'; '.join(map(finding, results))} |")
    severities = collections.Counter(
        (mode, one["graded"]["severity"] if one["graded"] else one["outcome"])
        for (_, mode), results in slowed.items() for one in results
    )
    words = [f"{n} × {word} ({mode})" for (mode, word), n in sorted(severities.items())]
    print(f"\nSeverities of the slowed cases: {', '.join(words)}.")


def main():
    work, part, *count = sys.argv[1:]
    work = pathlib.Path(work)
    if part in ("null", "slow"):
        campaigns(work, part, int(count[0]))
    elif part in ("ab-null", "ab-slow"):
        duels(work, part, int(count[0]))
    elif part == "report":
        report(work)
    else:
        sys.exit(__doc__)


main()
