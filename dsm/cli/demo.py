"""dsm demo: make a small example dataset and walk through the commands."""

from __future__ import annotations

import io
import os
import shlex
import sys
from contextlib import redirect_stdout
from typing import Annotated, TextIO

import typer

from dsm.errors import Conflict
from dsm.files.typed_path import refuse_store
from dsm.model.names import printable

PER_SHAPE = 12


def command(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder to make; must be new or empty")
    ] = "dsm-demo",
) -> None:
    """Make a small example dataset and walk through the commands

    Draws pictures of shapes (nothing is downloaded), then runs init, add, commit, add, commit,
    revert, dataset set, prepare and get on them, showing each command line. The folder stays, to
    play with.

    \b
    Examples:
      dsm demo
      dsm demo /tmp/shapes
    """
    refuse_store(folder)
    if os.path.isdir(folder) and os.listdir(folder):
        raise Conflict(
            f"the folder {folder} is not empty", hint="name another one: dsm demo OTHER-FOLDER"
        )
    os.makedirs(folder, exist_ok=True)
    started_in = os.getcwd()
    # It names a dataset of other work, which the demo's repository does not have.
    elsewhere = os.environ.pop("DSM_DATASET", None)
    os.chdir(folder)
    try:
        _walk()
    finally:
        os.chdir(started_in)
        if elsewhere is not None:
            os.environ["DSM_DATASET"] = elsewhere
    _farewell(folder)


def _walk() -> None:
    _tell(f"{3 * PER_SHAPE} pictures in class folders: train/circle, train/square, train/triangle")
    for shape in ("circle", "square", "triangle"):
        _draw(shape, range(PER_SHAPE))
    with open(".dsmignore", "w", encoding="utf-8") as file:
        file.write("# what `dsm get` writes is no part of the dataset\nout/\n")

    _tell("a dataset that takes labels from the folders' names")
    _run("init", "--dataset", "shapes", "--pattern", "{split}/{label}/{name}.png")
    _run("add", ".")
    _run("commit", "-m", "circles, squares and triangles")

    _tell("more data arrives, and some of it changes: 8 stars, another circle, one square less")
    _draw("star", range(8))
    _draw("circle", range(99, 100), name="00")
    os.remove("train/square/03.png")
    _run("status")
    _run("add", "-A", ".")
    _run("label", "train/star/00.png", "train/star/01.png", "--add", "checked")
    _run("commit", "-m", "stars; a redrawn circle; one square withdrawn")
    _run("diff", "1", "2", "--stat")

    _tell("it was a mistake: undo changeset 2, by a new one; the files follow")
    _run("revert", "2")
    _run("log", "--oneline")
    _run("status", "--short")

    _tell("labels may say more than the class (two stars are `checked`): name the classes once")
    _run("dataset", "set", "--classes", "circle,square,star,triangle")

    _tell("choose what to train on: the version names it for ever, get makes the same bytes of it")
    version = _run("prepare", "--label", "star", "--label", "circle", "--at", "2").strip()
    _run("get", version, "-o", "out")


def _draw(shape: str, numbers: range, name: str | None = None) -> None:
    from dsm.cli.demo_images import picture

    folder = f"train/{shape}"
    os.makedirs(folder, exist_ok=True)
    for number in numbers:
        with open(f"{folder}/{name or f'{number:02}'}.png", "wb") as file:
            file.write(picture(shape, number))


def _tell(text: str) -> None:
    print(f"\n# {text}", flush=True)


class _Tee(io.StringIO):
    """Keeps what a command prints, and passes it on."""

    def __init__(self, onto: TextIO):
        super().__init__()
        self._onto = onto

    def write(self, text: str) -> int:
        self._onto.write(text)
        self._onto.flush()
        return super().write(text)


def _run(*words: str) -> str:
    """Runs a command line as if typed, showing it; returns what it prints."""
    from dsm.__main__ import main

    print(f"$ dsm {' '.join(shlex.quote(word) for word in words)}", flush=True)
    with redirect_stdout(_Tee(sys.stdout)) as said:
        status = main(list(words))
    if status:
        raise typer.Exit(status)
    return said.getvalue()


def _farewell(folder: str) -> None:
    print(
        f"""
{printable(folder)} now holds the pictures (train/), a tarball made for training (out/) and all
changesets (.dsm/). Three things to try (cd {shlex.quote(printable(folder))}):

  # what changeset 2 did
  dsm show 2
  # the files as they were then, in another folder
  dsm restore --source 2 --to ../shapes-as-of-2
  # relabel without touching a file
  dsm label train/circle --add round && dsm commit -m "round things\""""
    )
