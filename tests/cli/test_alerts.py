"""Alerts: who is told, what is said, and that neither a repository nor a message gives an address away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from receiver import SECRET, Receiver

from dsm.alerts.message import Alert
from dsm.alerts.send import AlertFailed, send
from dsm.errors import InvalidInput

from .conftest import Runner, write

CONTRACT = '[dataset.photos.rules]\nlabels.vocabulary = ["wolf"]\n'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def failing(dsm: Runner, empty_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset whose check fails, and a user with settings of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    write(empty_repo / "cat/<!channel>.txt", "x")
    dsm("add", "-q", "cat")
    dsm("commit", "-q", "-m", "first")
    write(empty_repo / "dsm.toml", CONTRACT)
    return empty_repo


def test_a_failed_check_tells_the_webhook(
    dsm: Runner, failing: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules and counts, no name of an example; exit status and output are as without."""
    monkeypatch.setenv("HOOK", receiver.address)
    dsm("config", "set", "--global", "alerts.webhook", "env:HOOK")
    said = dsm("check", status=1)
    assert receiver.taken == [
        (
            f"/{SECRET}",
            {
                "text": "dsm check of photos (head) failed: 1 error\nerror: labels (line 2), 1 finding"
            },
        )
    ]
    assert SECRET not in said.out + said.err
    write(failing / "dsm.toml", CONTRACT.replace("wolf", "cat"))
    dsm("check")
    assert len(receiver.taken) == 1


def test_drift_tells_the_webhook(
    dsm: Runner, failing: Path, receiver: Receiver, tmp_path: Path
) -> None:
    """The columns that decide; the address may stand in a file."""
    write(tmp_path / "hook", receiver.address + "\n")
    dsm("config", "set", "--global", "alerts.webhook", f"file:{tmp_path / 'hook'}")
    for n in range(60):
        write(failing / f"cat/{n}.txt", "x" * (50 + n))
    dsm("add", "-q", "cat")
    dsm("commit", "-q", "-m", "second")
    dsm("drift", "1..2", "2")
    dsm("drift", "1..2", "1..2", status=0)
    assert receiver.taken == []
    dsm("drift", "1", "2", "--level", "1", "--no-alert", status=1)
    assert receiver.taken == []
    dsm("drift", "1", "2", "--level", "1", status=1)
    ((_, body),) = receiver.taken
    assert body["text"].startswith("dsm drift: 1 column of changeset 2 of photos differs")


def test_commits_and_metrics_tell_the_webhook(
    dsm: Runner, failing: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that the contract stops, and a gate of metrics that fails: rules and conditions, no
    name of an example or a file; with --no-alert nobody is told."""
    monkeypatch.setenv("HOOK", receiver.address)
    dsm("config", "set", "--global", "alerts.webhook", "env:HOOK")
    write(failing / "dsm.toml", CONTRACT + 'labels.on = "commit"\n')
    write(failing / "cat/secret.txt", "y")
    write(failing / "m.json", '{"accuracy": 0.5, "loss": 1}')
    dsm("add", "-q", "cat/secret.txt")
    words = (
        ("commit", "-m", "x"), ("check", "--metrics", "m.json", "--fail-if", "accuracy < 0.9"),
        ("check",),
    )  # fmt: skip
    for each in words:
        dsm(*each, "--no-alert", status=1)
    assert receiver.taken == []
    for each in words[:2]:
        dsm(*each, status=1)
    assert [body["text"] for _, body in receiver.taken] == [
        "dsm commit to photos was stopped by its contract: 1 error\nerror: labels (line 2), 1 finding",
        "dsm check --metrics failed: 1 of 1 condition\naccuracy &lt; 0.9",
    ]
    dsm("check", "--metrics", "m.json", "--fail-if", "accuracy > 0.9")
    assert len(receiver.taken) == 2


@pytest.mark.parametrize("status", [500, 302, 307])
def test_what_is_not_taken_is_told_without_the_address(
    dsm: Runner, failing: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A server that fails, or sends elsewhere: one warning, no second request, the same status."""
    receiver.status = status
    monkeypatch.setenv("HOOK", receiver.address)
    dsm("config", "set", "--global", "alerts.webhook", "env:HOOK")
    said = dsm("check", status=1)
    assert f"warning: no alert was sent: the webhook answered {status}" in said.err
    assert SECRET not in said.err and len(receiver.taken) == 1


def test_a_repository_names_nobody_to_tell(
    dsm: Runner, failing: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own settings do not count, nor a settings folder in it; setting them there is refused."""
    monkeypatch.setenv("HOOK", receiver.address)
    settings = '[alerts]\nwebhook = "env:HOOK"\n'
    write(failing / ".dsm/config.toml", settings)
    dsm("check", status=1)
    assert "alerts" not in dsm("config", "list").out
    dsm("config", "set", "alerts.webhook", "env:HOOK", status=2)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(failing))
    write(failing / "dsm/config.toml", settings)
    dsm("check", status=1)
    assert receiver.taken == []


def test_an_address_itself_is_no_setting(dsm: Runner, failing: Path) -> None:
    """It would be in the list of processes, and in a file of settings."""
    said = dsm(
        "config", "set", "--global", "alerts.webhook", f"https://h.example/{SECRET}", status=2
    )
    assert "env:NAME or file:PATH" in said.err and SECRET not in said.err


def test_an_email_is_handed_to_the_server() -> None:
    """Subject, text and receiver, by SMTP on loopback; a password never goes without TLS."""
    listening = socket.create_server(("127.0.0.1", 0))
    heard: list[str] = []

    def serve() -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            with connection, connection.makefile("rw", newline="\r\n") as stream:
                stream.write("220 here\n")
                stream.flush()
                in_data = False
                for line in stream:
                    heard.append(line.strip())
                    if in_data:
                        in_data = line.strip() != "."
                        answer = "250 taken" if not in_data else ""
                    elif line.upper().startswith("DATA"):
                        in_data, answer = True, "354 go on"
                    else:
                        answer = "221 bye" if line.upper().startswith("QUIT") else "250 well"
                    if answer:
                        stream.write(answer + "\n")
                        stream.flush()
                    if answer.startswith("221"):
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    server = f"127.0.0.1:{listening.getsockname()[1]}"
    send("email", f"smtp://{server}", Alert("failed: 3 errors", ("one", "two")), "ada@example.org")
    assert "Subject: failed: 3 errors" in heard and "To: ada@example.org" in heard
    assert {"one", "two"} <= set(heard)
    with pytest.raises(AlertFailed, match="no password was sent"):
        send("email", f"smtp://ada:{SECRET}@{server}", Alert("s", ()), "ada@example.org")
    thread.join(10)
    listening.close()
    assert SECRET not in "".join(heard)


@pytest.mark.parametrize(
    ("channel", "address"),
    [("webhook", f"file:///etc/passwd?{SECRET}"), ("webhook", SECRET), ("webhook", f"http://[{SECRET}"),
     ("email", f"https://{SECRET}"), ("webhook", f"ftp://h/{SECRET}")],
)  # fmt: skip
def test_other_schemes_are_refused(channel: str, address: str) -> None:
    """Only the web and SMTP are spoken, and the refusal does not repeat the address."""
    with pytest.raises(InvalidInput) as caught:
        send(channel, address, Alert("s", ()), "ada@example.org")
    assert SECRET not in str(caught.value)


def test_a_server_that_is_not_there_is_told() -> None:
    """The message has the reason, not the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(AlertFailed, match="cannot be reached") as caught:
        send("webhook", f"http://127.0.0.1:{port}/{SECRET}", Alert("s", ()))
    assert SECRET not in str(caught.value) and str(port) not in str(caught.value)


def test_apprise_is_asked_where_it_is_installed(receiver: Receiver) -> None:
    """Title and text go to the service of the address; one that does not take it is told."""
    pytest.importorskip("apprise", reason="needs dsm-datasets[alerts]")
    address = receiver.address.replace("http://", "json://")
    send("apprise", address, Alert("failed", ("one",)))
    ((_, body),) = receiver.taken
    assert (body["title"], body["message"].strip()) == ("failed", "one")
    receiver.status = 500
    with pytest.raises(AlertFailed, match="did not deliver"):
        send("apprise", address, Alert("failed", ()))
