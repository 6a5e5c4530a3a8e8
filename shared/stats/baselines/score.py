"""Scores tabpool's change-point detection beside named baselines on labelled series.

    python3 -m venv venv && venv/bin/pip install apache-otava && venv/bin/pip install signal-processing-algorithms
    venv/bin/python shared/stats/baselines/score.py SERIES.jsonl [--speed 1000]

SERIES.jsonl has one JSON object a line: `kind`, `values`, and `cps`, the index of the first value of each new regime.
A report within five values of an unmatched change is a true positive, one to one; every other report is a false one.
Intervals are 95 % percentile bootstraps over series; times are CPU times. A baseline that is not installed is named and left out.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import time

import numpy
from scipy import stats

TOLERANCE = 5
ROOT = pathlib.Path(__file__).parents[3]


def tabpool(all_values):
    """Feeds the Rust detector, which is compiled first; its time includes starting it and reading the text."""
    build = ["cargo", "build", "--quiet", "--release", "--package", "tabpool-stats", "--example", "detect"]
    subprocess.run(build, cwd=ROOT, check=True)
    lines = "\n".join(" ".join(map(repr, values)) for values in all_values)
    program = ROOT / "target/release/examples/detect"
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = ended.ru_utime + ended.ru_stime - started.ru_utime - started.ru_stime
    return [[int(pair.split(":")[0]) for pair in line.split()] for line in output.splitlines()], seconds


def each(detect):
    """Turns a detector of one series into one of many, with the time it took."""
    def run(all_values):
        started = time.process_time()
        reports = [sorted(int(index) for index in detect(values)) for values in all_values]
        return reports, time.process_time() - started
    return run


def otava(p_value, magnitude):
    from otava.analysis import compute_change_points
    return each(lambda values: [change.index for change in compute_change_points(
        values, window_len=50, max_pvalue=p_value, min_magnitude=magnitude)[0]])


def mongodb(p_value):
    from signal_processing_algorithms.energy_statistics.energy_statistics import e_divisive
    return each(lambda values: e_divisive(values, pvalue=p_value, permutations=100))


def t_test(values, window=10, level=0.05):
    """The last ten values against the ten before, at each value; a run of alarms is one report at its strongest."""
    alarms = []
    for index in range(window, len(values) - window + 1):
        p_value = stats.ttest_ind(values[index - window:index], values[index:index + window], equal_var=False).pvalue
        if p_value < level:
            alarms.append((index, p_value))
    runs = []
    for index, p_value in alarms:
        if runs and index - runs[-1][-1][0] == 1:
            runs[-1].append((index, p_value))
        else:
            runs.append([(index, p_value)])
    return [min(run, key=lambda alarm: alarm[1])[0] for run in runs]


DETECTORS = {
    "tabpool": lambda: tabpool,
    "Apache Otava, defaults (p 0.001)": lambda: otava(0.001, 0.0),
    "Apache Otava, p 1e-5 and 5 %": lambda: otava(1e-5, 0.05),
    "MongoDB e-divisive, p 0.01": lambda: mongodb(0.01),
    "t-test, last 10 against 10, p 0.05": lambda: each(t_test),
}


def count(truth, reports):
    """True positives, false positives and missed changes; the nearest pairs match first."""
    pairs = sorted((abs(a - b), a, b) for a in truth for b in reports if abs(a - b) <= TOLERANCE)
    changes, used = set(), set()
    for _, change, report in pairs:
        if change not in changes and report not in used:
            changes.add(change)
            used.add(report)
    return len(used), len(reports) - len(used), len(truth) - len(changes)


def ratios(counts):
    """Precision, recall and F1."""
    true, false, missed = counts
    return (true / max(true + false, 1), true / max(true + missed, 1), 2 * true / max(2 * true + false + missed, 1))


def row(name, series, reports):
    counts = numpy.array([count(one["cps"], found) for one, found in zip(series, reports)])
    random = numpy.random.default_rng(1)
    draws = random.integers(0, len(series), (2000, len(series)))
    low, high = numpy.quantile([ratios(counts[draw].sum(axis=0))[2] for draw in draws], [0.025, 0.975])
    precision, recall, f1 = ratios(counts.sum(axis=0))
    is_null = numpy.array([one["kind"] == "null" for one in series])
    n_values = sum(len(one["values"]) for one in series if one["kind"] == "null")
    alarms = "–" if n_values == 0 else f"{1000 * counts[is_null, 1].sum() / n_values:.2f}"
    return f"| {name} | {precision:.3f} | {recall:.3f} | {f1:.3f} ({low:.3f}–{high:.3f}) | {alarms} |"


def available(make):
    try:
        return make()
    except ImportError:
        return None


def quality(series):
    print("| detector | precision | recall | F1 (95 % interval) | false alarms per 1,000 null values | CPU ms a series |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, make in DETECTORS.items():
        detect = available(make)
        if detect is None:
            print(f"| {name} | not installed |")
            continue
        reports, seconds = detect([one["values"] for one in series])
        print(row(name, series, reports), f"{1000 * seconds / len(series):.3f} |", flush=True)


def speed(n_series):
    """Time on n series of 1,000 values with one step each, the same values for both."""
    random = numpy.random.default_rng(2)
    all_values = [(100 * (1 + 0.1 * (numpy.arange(1000) >= 500)) * (1 + 0.03 * random.normal(size=1000))).tolist()
                  for _ in range(n_series)]
    print(f"\n{n_series} series of 1,000 values, CPU time:")
    for name in ["tabpool", "Apache Otava, defaults (p 0.001)"]:
        detect = available(DETECTORS[name])
        if detect is not None:
            print(f"- {name}: {detect(all_values)[1]:.2f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", type=pathlib.Path)
    parser.add_argument("--speed", type=int, default=0, metavar="N", help="also time N series of 1,000 values")
    arguments = parser.parse_args()
    series = [json.loads(line) for line in arguments.series.read_text().splitlines()]
    quality(series)
    if arguments.speed:
        speed(arguments.speed)


if __name__ == "__main__":
    main()
