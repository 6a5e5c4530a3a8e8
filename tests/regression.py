"""A regression of known size in real browsers: is it found, and is nothing found where nothing changed?

    cargo bundle --out target/ab/base
    cargo bundle --engine-features slow-for-tests --out target/ab/slow
    python3 tests/regression.py target/ab null 20      # campaigns of the unchanged build, each judged by the gate
    python3 tests/regression.py target/ab slow 3       # campaigns of the slowed build, each against the last good one
    python3 tests/regression.py target/ab ab-null 20   # the unchanged build against itself, runs in turns
    python3 tests/regression.py target/ab ab-slow 3    # the slowed build against the unchanged one, runs in turns
    python3 tests/regression.py target/ab report       # what came of them, as Markdown

Everything is kept in the folder that is named first, so that the parts can be run at different times. A part is worth
something only on a machine that does nothing else. With `slow-for-tests` every run takes 20 % longer: severe.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABPOOL = os.environ.get("TABPOOL", ROOT / "target" / "debug" / "tabpool")
MODELS = "silero-vad,magika"
BROWSERS = "chromium,firefox"


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


def campaigns(work, kind, n):
    """Measures the build, and has the gate judge it; the first unchanged campaign has no baseline."""
    build = work / ("base" if kind == "null" else "slow")
    database = work / "history.sqlite"
    with tempfile.TemporaryDirectory() as folder:
        www = pages(build, pathlib.Path(folder))
        for _ in range(n):
            options = ["--runs", 15, "--warmup", 3, "--db", database, "--www", www]
            tabpool("bench", "--model", MODELS, "--browser", BROWSERS, *options)
            keep(work, kind, tabpool("gate", "--baseline", "good", "--db", database))


def duels(work, kind, n):
    """Runs of two builds in turns, a family of its own each time."""
    builds = [work / "base", work / ("base" if kind == "ab-null" else "slow")]
    for _ in range(n):
        with tempfile.TemporaryDirectory() as folder:
            www = pages(builds[0], pathlib.Path(folder))
            options = ["--runs", 12, "--warmup", 3, "--db", work / "ab.sqlite", "--www", www]
            document = tabpool("bench", "--ab", *builds, "--model", "silero-vad", "--browser", BROWSERS, *options)
            keep(work, kind, document)


def pairs(work, documents):
    """Every unchanged campaign against every one before it: families, families with a change in them, and their kind."""
    ids = [int(document["candidate"].split()[1]) for document in documents]
    alarms, wrong, n_comparisons, n_families = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "history.sqlite"
        tabpool("history", "backup", copy, "--db", work / "history.sqlite")
        for index, candidate in enumerate(ids):
            for baseline in ids[:index]:
                options = ["--campaign", candidate, "--baseline", f"campaign:{baseline}", "--db", copy]
                compared = tabpool("gate", *options)["verdict"]["compared"]
                p_values = [one["p_value"] for one in compared if one["p_value"] is not None]
                n_families += 1
                n_comparisons += len(p_values)
                wrong += sum(p_value < 0.01 for p_value in p_values)
                alarms += any(one["outcome"] in ("slower", "faster") for one in compared)
    return n_families, alarms, n_comparisons, wrong


def report(work):
    documents = {}
    for kind in ("null", "slow", "ab-null", "ab-slow"):
        path = work / f"{kind}.jsonl"
        documents[kind] = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    print(f"\n## Real browsers\n\nMade by `tests/regression.py`: {MODELS} in {BROWSERS}, the unchanged build and one")
    print("whose runs take 20 % longer, which is severe. A family is what one call of the gate judges.\n")
    print("| part | families | with an alarm | passed | not enough data |\n| --- | --- | --- | --- | --- |")
    names = {
        "null": "unchanged, against the last good campaign",
        "ab-null": "unchanged, in turns with itself",
        "slow": "slowed, against the last good campaign",
        "ab-slow": "slowed, in turns with the unchanged one",
    }
    found = collections.defaultdict(list)
    for kind, name in names.items():
        verdicts = [document["verdict"] for document in documents[kind]]
        judged = [verdict for verdict in verdicts if any(one["outcome"] != "new" for one in verdict["compared"])]
        alarms = sum(any(one["outcome"] in ("slower", "broken") for one in verdict["compared"]) for verdict in judged)
        decisions = collections.Counter(verdict["decision"] for verdict in judged)
        print(f"| {name} | {len(judged)} | {alarms} | {decisions['pass']} | {decisions['not-enough-data']} |")
        for one in (one for verdict in judged for one in verdict["compared"]):
            severity = (one["graded"] or {}).get("severity")
            place = f"{one['model']} {one['case']}, {one['browser']}"
            found[kind, place].append((one["ratio"], severity if one["outcome"] == "slower" else one["outcome"]))
    if len(documents["null"]) > 1:
        n_families, alarms, n_comparisons, wrong = pairs(work, documents["null"])
        print(f"\nEvery unchanged campaign against every one before it: {alarms} of {n_families} families have a slower or faster")
        print(f"case in them. Without noise floor and family, {wrong} of {n_comparisons} comparisons have p < 1 %: runs of one")
        print("campaign share its luck, which is why significance alone decides nothing.")
    print("\n| slowed build | mode | new over old | found |\n| --- | --- | --- | --- |")
    for (kind, place), results in found.items():
        if kind in ("slow", "ab-slow"):
            ratios = ", ".join(f"{ratio:.2f}" for ratio, _ in results if ratio)
            mode = "in turns" if kind == "ab-slow" else "campaigns"
            print(f"| {place} | {mode} | {ratios} | {', '.join(word for _, word in results)} |")


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
