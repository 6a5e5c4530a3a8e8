"""A history of made-up campaigns, for looking at output and for measuring speed.

    python3 tests/history_gen.py FILE [--runs 10000000] [--series 1000] [--campaigns 400]
    TABPOOL=target/release/tabpool python3 tests/history_gen.py FILE --measure

The first writes FILE: campaigns over the last 29 days in three browsers, a tenth of whose series get slower by 10 or 30 % on
the way. The second runs `trends` and `regressions` over 30 days on it three times, and prints the wall time of the last, which
finds the file in memory, and the most memory that any took.
"""

import argparse
import contextlib
import os
import pathlib
import random
import resource
import sqlite3
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABPOOL = os.environ.get("TABPOOL", ROOT / "target" / "release" / "tabpool")
DAY_MICROS = 86_400_000_000
MODELS = ["minilm-l3", "minilm-l6-int8", "silero-vad", "ppocr-det", "ppocr-rec", "magika", "oww-alexa", "t5-title-encoder"]
PLACES = [("chromium", "relaxed-simd"), ("firefox", "relaxed-simd"), ("webkit", "simd128")]
SHA256 = "ab" * 32
HOST, CPU_MODEL = "generated", "generated"


def migrate(connection):
    """The tables of the newest version, as the agent makes them."""
    scripts = (ROOT / "agent/src/store/migrations").glob("*_up.sql")
    for script in sorted(scripts, key=lambda script: int(script.name.split("_")[0])):
        connection.executescript(script.read_text())
        connection.execute(f"PRAGMA user_version = {script.name.split('_')[0]}")
    connection.execute(f"PRAGMA application_id = {int.from_bytes(b'tabp', 'big')}")


def insert(connection, table, rows):
    """Rows are dictionaries with the same keys."""
    columns = list(rows[0])
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
    connection.executemany(statement, (list(row.values()) for row in rows))


def all_series(n):
    for index in range(n):
        model = MODELS[index % len(MODELS)]
        browser, detail = PLACES[index // len(MODELS) % len(PLACES)]
        shape = f"{1 + index // (len(MODELS) * len(PLACES))}x16"
        yield {
            "id": index + 1, "model": model, "model_sha256": SHA256, "case_id": f"{model}/{shape}/wasm",
            "shapes": f"x:{shape}", "precision": "f32", "engine": "tabpool", "backend": "wasm",
            "backend_detail": detail, "browser_name": browser, "adapter": "", "host": HOST, "cpu_model": CPU_MODEL,
        }


def generate(file, n_runs, n_series, n_campaigns):
    random.seed(4)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        migrate(connection)
        series = list(all_series(n_series))
        insert(connection, "series", series)
        levels = [10 ** random.uniform(3.5, 5.5) for _ in series]
        steps = [random.choice([1.0] * 18 + [1.1, 1.3]) for _ in series]
        first = int(time.time() * 1e6) - 29 * DAY_MICROS
        per_series = n_runs // (n_series * n_campaigns)
        for campaign in range(1, n_campaigns + 1):
            start = first + 29 * DAY_MICROS * campaign // n_campaigns - DAY_MICROS // 24
            is_late = campaign > 0.7 * n_campaigns
            write_campaign(connection, campaign, start)
            rows = []
            for one, level, step in zip(series, levels, steps):
                level *= (step if is_late else 1.0) * random.gauss(1, 0.01)
                rows += runs(campaign, start + one["id"] * 1_000_000, one, level, per_series)
            insert(connection, "run", rows)
            connection.commit()


def write_campaign(connection, campaign, start):
    insert(connection, "campaign", [{
        "id": campaign, "started_unix_micros": start, "finished_unix_micros": start + 1, "agent_version": "0",
        "git_commit": f"{campaign:040x}", "host": HOST, "cpu_model": CPU_MODEL, "n_cpus": 2,
    }])
    insert(connection, "session", [{
        "id": f"{campaign}-{browser}-1", "campaign": campaign, "command": "bench", "browser_name": browser,
        "browser_version": "1.0", "started_unix_micros": start, "finished_unix_micros": start + 1,
        "ending": "finished",
    } for browser, _ in PLACES])


def runs(campaign, start, series, level, n):
    """The first is cold."""
    for index in range(n):
        micros = int(level * random.gauss(1, 0.02))
        yield {
            "id": f"{campaign}-{series['id']}-{index}", "session": f"{campaign}-{series['browser_name']}-1",
            "case_id": series["case_id"], "started_unix_micros": start + 1_000 * index,
            "received_unix_micros": start + 1_000 * index, "browser_name": series["browser_name"],
            "browser_version": "1.0", "user_agent": "generated", "engine": "tabpool", "engine_version": "0",
            "backend": "wasm", "backend_detail": series["backend_detail"], "precision": "f32",
            "model": series["model"], "model_sha256": SHA256, "shapes": series["shapes"], "cold": int(index == 0),
            "connection": 1, "attempt": 1, "run_micros": micros, "total_micros": micros + 90,
            "load_micros": 3 * micros if index == 0 else None, "memory_bytes": 0, "series": series["id"],
            "campaign": campaign,
        }


def measure(file):
    with contextlib.closing(sqlite3.connect(file)) as connection:
        n_runs, n_series = (connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("run", "series"))
    print(f"{n_runs:,} runs in {n_series:,} series")
    for command in ("trends", "regressions"):
        for _ in range(3):
            started = time.monotonic()
            arguments = [TABPOOL, command, "--since", "30d", "--json", "--db", file]
            process = subprocess.run(arguments, stdout=subprocess.DEVNULL)
            seconds = time.monotonic() - started
        megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
        print(f"{command}: {seconds:.2f} s, at most {megabytes:.0f} MB, exit code {process.returncode}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--campaigns", type=int, default=400)
    parser.add_argument("--measure", action="store_true")
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.file)
    else:
        generate(arguments.file, arguments.runs, arguments.series, arguments.campaigns)


main()
