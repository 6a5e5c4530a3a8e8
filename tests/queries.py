"""Runs the queries of docs/queries.md with DuckDB, on a history and on its exports, and prints their rows as JSON.

    python queries.py HISTORY.sqlite RUNS.parquet RUNS.csv

Needs PyPI duckdb and duckdb-extension-sqlite-scanner, whose extension is loaded by its path: nothing is downloaded.
"""

import json
import pathlib
import re
import sys

import duckdb
import duckdb_extension_sqlite_scanner

DOCUMENT = pathlib.Path(__file__).parent.parent / "docs" / "queries.md"


def queries():
    """Every query of the document by the name in its first line, in order."""
    blocks = re.findall(r"^```sql\n-- (.+?)\n(.+?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return dict(blocks)


def extension():
    folder = pathlib.Path(duckdb_extension_sqlite_scanner.__file__).parent
    return next(folder.glob(f"extensions/v{duckdb.__version__}/sqlite_scanner.duckdb_extension"))


def run(opening, questions):
    connection = duckdb.connect()
    connection.execute(opening)
    rows = {}
    for name, question in questions.items():
        cursor = connection.execute(question)
        names = [column[0] for column in cursor.description]
        rows[name] = [dict(zip(names, row)) for row in cursor.fetchall()]
    return rows


def main():
    history, parquet, csv = sys.argv[1:]
    questions = queries()
    open_sqlite = questions.pop("open sqlite").replace("history.sqlite", history)
    open_sqlite = open_sqlite.replace("LOAD sqlite_scanner", f"LOAD '{extension()}'")
    open_parquet = questions.pop("open parquet").replace("runs.parquet", parquet)
    open_csv = questions.pop("open csv").replace("runs.csv", csv)
    of_runs = {name: question for name, question in questions.items() if "history." not in question}
    answers = {
        "sqlite": run(open_sqlite, questions),
        "parquet": run(open_parquet, of_runs),
        "csv": run(open_csv, of_runs),
    }
    print(json.dumps(answers, default=str))


main()
