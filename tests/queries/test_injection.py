"""Queries that try to be more than a question, and rows that are made up: nobody is asked for those.

Texts that would be SQL if they were pasted are values; what writes is refused by the database.
"""

from __future__ import annotations

import io
import json
import os
import select
import socket
import tarfile
import threading
from typing import Any

import pytest
from tiers import thinned

from dsm.errors import DsmError

from .conftest import ROW, Project, Server, fails, nothing_of_rows_in

# --- injection -----------------------------------------------------------------------------------

ATTACKS = (
    "x' OR 1=1 --", "'; DROP TABLE visit; --", '"; DROP TABLE visit; --', "\\'; SELECT 1; --",
    "$$; DROP TABLE visit; $$", "/* */ OR true", "%", "_", "x' UNION SELECT name FROM visit --",
    "E'\\x27'", "\u02bc OR 1=1", ":x", "$1", "?", "{}", "%s",
)  # fmt: skip


def test_parameters_and_filters_are_values(project: Project, server: Server, table: str) -> None:
    """Attacks as values of parameters, labels, conditions and globs select nothing more."""
    server.do("ALTER TABLE visit ADD COLUMN label text DEFAULT 'plain'")
    for attack in ATTACKS:
        version = project.view("SELECT id, name FROM visit WHERE name = :x",
                               parameters={"x": attack}, key="id")  # fmt: skip
        assert project.read(version) == {}, attack
    project.view("SELECT id, name, label FROM visit", key="id", label="label")
    for attack in ATTACKS:
        for asked in (
            {"labels": [attack]}, {"where": [f"name={attack}"]}, {"paths": [f"spy/{attack}"]},
        ):  # fmt: skip
            with project.opened() as repo:
                try:
                    view = repo.dataset("data").prepare(**asked)
                    found = [each.path for each in view if each.path.startswith("spy/")]
                except DsmError as error:
                    assert error.exit_status in (1, 2, 4), (attack, asked, error)
                    continue
            # A glob of `%` is no wildcard, and neither is `_`.
            assert found == [] or attack in ("?",), (attack, asked, len(found))
    with project.opened() as repo:
        view = repo.dataset("data").prepare(exclude=["x' OR 1=1 --"])
        assert sum(each.path.startswith("spy/") for each in view) == 20_000
    assert server.value("SELECT count(*) FROM visit") == 20_000


@pytest.mark.parametrize(("layout", "runs"), [("webdataset", 2), ("tar", 1)])
def test_a_stream_asks_no_more_than_it_must(
    project: Project, table: str, layout: str, runs: int
) -> None:
    """Classes are told in webdataset alone; only there are labels asked for first."""
    version = project.view("SELECT id, ward FROM visit", key="id", label="ward")
    project("get", version, "-o", "-", "--format", layout)
    assert [("complete", None)] * runs == project.outcomes()


def test_on_the_command_line(project: Project, server: Server, table: str) -> None:
    """The same by `--param` and `--label`."""
    attack = "x' OR 1=1 --"
    project.query("SELECT id, name AS label FROM visit WHERE name <> :x",
                  "--param", f"x={attack}", "--label-col", "label")  # fmt: skip
    project("commit", "-m", "a query")
    version = project("prepare", "--label", attack).out.decode().split()[-1]
    done = project("get", version, "-o", "-")
    assert nothing_of_rows_in(done.out)


COLUMNS = ('q"uote', "do.t", "sp ace", "ünï☃", "x' OR 1=1 --", "a;b", "--", "$1", ":x", "%s", "a\nb",
           "select", "content", "path", "labels")  # fmt: skip


def test_names_of_columns(project: Project, server: Server) -> None:
    """A column of any name is key, label, time and payload; filters by it do not break out."""
    for number, name in enumerate(COLUMNS):
        quoted = '"' + name.replace('"', '""') + '"'
        server.do("DROP TABLE IF EXISTS odd",
                  f"CREATE TABLE odd AS SELECT n::text AS {quoted}, n AS other "
                  "FROM generate_series(1, 3) n")  # fmt: skip
        roles: list[dict[str, Any]] = [
            {"key": name}, {"label": name}, {"payload": [name], "extension": "txt"}, {},
        ]  # fmt: skip
        for role in thinned(roles, 2, offset=number):
            version = project.view("SELECT * FROM odd", **role)
            assert len(project.read(version)) == 3, (name, role)
        project.view("SELECT * FROM odd", label=name)
        with project.opened() as repo:
            view = repo.dataset("data").prepare(labels=["2"])
            assert [each.labels for each in view] == [("2",)], name
    server.do("DROP TABLE odd")


# --- writing --------------------------------------------------------------------------------------

WRITES = (
    "SELECT wipe() AS a",
    "WITH gone AS (DELETE FROM visit RETURNING *) SELECT * FROM gone",
    "WITH new AS (INSERT INTO visit VALUES (0, 'x', 1, now()) RETURNING *) SELECT * FROM new",
    "WITH new AS (UPDATE visit SET ward = 9 RETURNING *) SELECT * FROM new",
    "SELECT * FROM visit FOR UPDATE",
    "SELECT setval('counter', 99) AS a",
    "SELECT nextval('counter') AS a",
    "SELECT lo_create(4711)::int AS a",
    "SELECT * INTO stolen FROM visit",
    "SELECT set_config('transaction_read_only', 'off', true) AS a, wipe() AS b",
    "SELECT query_to_xml('DELETE FROM visit', true, true, '')::text AS a",
)


@pytest.mark.parametrize("parameters", [None, {"p": "1"}])
@pytest.mark.parametrize("sql", WRITES)
def test_queries_that_write(
    project: Project, server: Server, table: str, sql: str, parameters: dict[str, str] | None
) -> None:
    """An account that may write cannot do so by a query: refused, and nothing has changed."""
    server.do(
        "DROP SEQUENCE IF EXISTS counter", "CREATE SEQUENCE counter", "SELECT nextval('counter')",
        "CREATE OR REPLACE FUNCTION wipe() RETURNS int AS "
        "'DELETE FROM visit; SELECT 1' LANGUAGE sql",
    )  # fmt: skip
    if parameters:
        sql = f"SELECT * FROM ({sql}) t WHERE :p = '1'" if sql.startswith("SELECT") else (
            sql + " WHERE :p = '1'")  # fmt: skip
    try:
        with pytest.raises(DsmError) as caught:
            project.read(project.view(sql, parameters=parameters))
        assert caught.value.exit_status in (2, 6), caught.value
        assert ROW not in str(caught.value)
    finally:
        state = (
            server.value("SELECT count(*) FROM visit"),
            server.value("SELECT sum(ward)::bigint FROM visit"),
            server.value("SELECT last_value FROM counter"),
            server.value("SELECT count(*) FROM pg_tables WHERE tablename = 'stolen'"),
            server.value("SELECT count(*) FROM pg_largeobject_metadata"),
        )
    assert (20_000, sum(n % 7 for n in range(1, 20_001)), 1, 0, 0) == state


# --- dummy rows ----------------------------------------------------------------------------------


class Listening:
    """A port that counts who comes."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.came = 0
        self.waker, self.woken = os.pipe()
        self.thread = threading.Thread(target=self._count)
        self.thread.start()

    def _count(self) -> None:
        while True:
            ready, _, _ = select.select([self.socket, self.waker], [], [])
            if self.waker in ready:
                return
            comes, _ = self.socket.accept()
            self.came += 1  # before the client can go on
            comes.close()

    def close(self) -> None:
        os.write(self.woken, b"x")
        self.thread.join()
        for end in (self.waker, self.woken):
            os.close(end)
        self.socket.close()


def test_made_up_rows_ask_nobody(project: Project, table: str) -> None:
    """`--dummy` opens no connection and leaves no receipt; its rows have the schema of real ones."""
    version = project.view("SELECT id, name, ward, day FROM visit", key="id", label="ward",
                           time="day")  # fmt: skip
    real = next(iter(project.read(version).values()))
    before = len(project.outcomes())
    listening = Listening()
    try:
        address = f"postgresql://u:p@127.0.0.1:{listening.port}/x"
        environment = {"environment": {"ADDRESS": address}}
        fails(project, version, 8, **environment)
        assert listening.came >= 1
        came = listening.came
        done = project("get", version, "-o", "-", "--format", "tar", "--dummy", "--dummy-rows",
                       "25", **environment)  # fmt: skip
        kept = project.temporary / "dummy"
        project("get", version, "-o", str(kept), "--dummy", **environment)
        assert came == listening.came
    finally:
        listening.close()
    assert before == len(project.outcomes())
    with tarfile.open(fileobj=io.BytesIO(done.out)) as archive:
        rows = [
            json.loads(archive.extractfile(member).read())  # type: ignore[union-attr]
            for member in archive if member.name.startswith("spy/") and "." in member.name
            and member.name.endswith(".json")
        ]  # fmt: skip
    kinds = {name: type(value) for name, value in json.loads(real.bytes).items()}
    assert len(rows) >= 25
    for row in rows[:5]:
        inner = row.get("attributes") is not None and "path" in row
        if not inner:
            assert kinds == {name: type(value) for name, value in row.items()}
    assert json.loads((kept / "dataset.json").read_text())["rows"]["made_up"] is True
