"""A training script's side of dsm: add data from memory, pin a view, iterate over its examples.

Run it in an empty folder: python train_on_a_view.py
"""

from __future__ import annotations

import dsm


def main() -> None:
    with dsm.init("sounds", dataset="sounds") as repo:
        if not repo.created:
            raise SystemExit("run it in an empty folder: sounds is there already")
        ds = repo.dataset("sounds")

        # Content need not be in files: a mapping from path to bytes will do.
        tones = {f"tone/{hertz}.raw": bytes(range(hertz % 256)) for hertz in range(200, 240)}
        ds.add(tones, labels=["tone"])
        ds.add({"noise/1.raw": b"\x07\x91\x20"}, labels=["noise"])
        first = ds.commit("tones and one noise", source="made by this script")
        print(f"changeset {first.number}: {first.examples} examples")

        # The view is pinned to this changeset: whatever is committed later, it stays the same.
        view = ds.prepare(labels=["tone"], at=first.number)
        print(f"{len(view)} examples, {view.size} bytes, labels {view.labels}")

        seen = 0
        for example in view:
            seen += len(example.bytes)  # every byte is verified as it is read
        print(f"read {seen} bytes")

        # The snapshot is an Arrow table: path, object, size, time, labels, annotation, attr.*
        table = ds.snapshot(first.number)
        print(table.group_by("size").aggregate([("path", "count")]).num_rows, "different sizes")


if __name__ == "__main__":
    main()
