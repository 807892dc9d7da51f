"""The life of a trademark dataset: logos arrive, one is lost in court and leaves every later view.

Run it in an empty folder: python life_of_a_trademark.py
What it prints is kept in life_of_a_trademark.txt. Versions differ from run to run, since every
dataset has an id of its own; digests do not: they tell what a view holds.
"""

from __future__ import annotations

import os

import dsm
from dsm.datasets import Dataset
from dsm.views.view import View


def logo(name: str, colour: str) -> bytes:
    """A logo in SVG."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><title>{name}</title>'
        f'<circle cx="4.5" cy="4.5" r="4" fill="{colour}"/></svg>\n'
    ).encode()


def show(title: str, view: View) -> None:
    """Prints a view as a training run would note it down."""
    print(f"{title}: {', '.join(example.path for example in view)}")
    print(f"  version {view.version}")
    print(f"  digest  {view.digest}")


def stored(folder: str) -> int:
    """Returns the bytes of all packs."""
    walk = os.walk(os.path.join(folder, ".dsm", "packs"))
    return sum(os.path.getsize(os.path.join(where, n)) for where, _, names in walk for n in names)


def main() -> None:
    with dsm.init("lifeA_trademark") as repo:
        if not repo.created:
            raise SystemExit("run it in an empty folder: lifeA_trademark is there already")
        logos: Dataset = repo.dataset()

        logos.add({"tm1.svg": logo("tm1", "teal")}, labels=["ours"])
        logos.commit("tm1 is registered")
        first = logos.prepare(labels=["ours"], name="first-training")
        show("first training", first)

        logos.add({"tm2.svg": logo("tm2", "red"), "tm3.svg": logo("tm3", "gold")}, labels=["ours"])
        logos.commit("tm2 and tm3 are registered")
        second = logos.prepare(labels=["ours"], name="second-training")
        show("second training", second)

        before = stored("lifeA_trademark")
        logos.remove(["lifeA_trademark/tm2.svg"], keep_files=True)
        withdrawn = logos.commit("tm2 is withdrawn", note="lost in court")
        third = logos.prepare(labels=["ours"], name="third-training")
        show("third training", third)
        print(f"  bytes copied for it: {stored('lifeA_trademark') - before}")

        print("what the third training no longer sees:")
        for change in logos.changes(withdrawn.number).changes:
            print(f"  {change.path} {change.kind} by changeset {withdrawn.number}")

        # A version names its query for ever: what a model was trained on can still be told.
        again = repo.view(first.version)
        print("the first training again:", "the same" if again.digest == first.digest else "other")
        print("tm2 in the second one:", any(e.path == "tm2.svg" for e in repo.view(second.version)))
        print("tm2 in the third one:", any(e.path == "tm2.svg" for e in third))


if __name__ == "__main__":
    main()
