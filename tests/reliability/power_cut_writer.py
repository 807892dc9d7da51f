"""The writer whose power is cut: commits for ever, and says so as each is acknowledged.

Run as a script: `power_cut_writer.py ROOT SEED`. Prints `ACK number transaction` lines.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import dsm


def main(root: Path, seed: int) -> None:
    rng = random.Random(seed)
    os.chdir(root)
    turn = 0
    while True:
        turn += 1
        names = [f"{rng.randrange(4)}/{rng.randrange(60)}" for _ in range(rng.randrange(1, 6))]
        for name in names:
            path = root / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(rng.randbytes(rng.randrange(0, 20000)))
        (root / "counter").write_text(f"{seed} {turn}")
        if turn % 10 == 7:
            command = [sys.executable, "-m", "dsm", "commit", "-q", "-m", f"{turn}", "."]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            changeset = dsm.open(root).dataset().changeset("head")
        else:
            with dsm.open(root) as repo:
                dataset = repo.dataset()
                if turn % 3:
                    dataset.add(["."])
                    changeset = dataset.commit(f"{turn}")
                else:
                    changeset = dataset.commit(f"{turn}", paths=[*names, "counter"])
        print("ACK", changeset.number, changeset.transaction, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
