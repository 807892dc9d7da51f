"""Trains a classifier on a view, then on the next changeset's view, and compares the two.

    python compare_changesets.py [FOLDER]

FOLDER has a folder of images for each class, as CIFAR-10 is often unpacked; reading PNG or JPEG
needs Pillow. Without it, small images are generated. The classifier is scikit-learn's or PyTorch's
logistic regression, whichever is there; where neither is, the nearest mean in plain Python.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import dsm
from dsm.views.view import View

SIDE = 8
PER_CLASS = 400  # at most, of each class of a folder
Vector = list[float]
Model = Callable[[Sequence[Vector]], list[int]]


def generated() -> dict[str, dict[str, bytes]]:
    """Images of three classes: stripes across, stripes down and noise, with noise over them."""
    draw = random.Random(7)
    pictures: dict[str, dict[str, bytes]] = {"across": {}, "down": {}, "noise": {}}
    for label, files in pictures.items():
        for number in range(120):
            pixels = bytearray()
            for y in range(SIDE):
                for x in range(SIDE):
                    bright = {"across": y % 2, "down": x % 2, "noise": draw.random()}[label]
                    pixels += bytes([int(30 + 35 * bright + draw.randrange(190))] * 3)
            files[f"{number:03d}.ppm"] = b"P6 %d %d 255\n" % (SIDE, SIDE) + pixels
    return pictures


def from_folder(folder: Path) -> dict[str, dict[str, bytes]]:
    """The first images of each class folder."""
    return {
        klass.name: {p.name: p.read_bytes() for p in sorted(klass.iterdir())[:PER_CLASS]}
        for klass in sorted(folder.iterdir()) if klass.is_dir()
    }  # fmt: skip


def decoded(image: bytes) -> Vector:
    """An image as numbers from 0 to 1."""
    if image.startswith(b"P6 8 8 255\n"):
        return [value / 255 for value in image[-3 * SIDE * SIDE :]]
    from io import BytesIO

    from PIL import Image

    small = Image.open(BytesIO(image)).convert("RGB").resize((SIDE, SIDE))
    return [value / 255 for value in small.tobytes()]


def split(view: View) -> tuple[list[Vector], list[int], list[Vector], list[int]]:
    """Reads a view; a fifth of it, chosen by content and so for good, is for testing."""
    classes = {label: number for number, label in enumerate(view.labels)}
    sets: dict[bool, tuple[list[Vector], list[int]]] = {False: ([], []), True: ([], [])}
    for example in view:
        vectors, labels = sets[example.oid[0] < 51]
        vectors.append(decoded(example.bytes))
        labels.append(classes[example.labels[0]])
    return *sets[False], *sets[True]


def trained(vectors: Sequence[Vector], labels: Sequence[int]) -> tuple[str, Model]:
    """Returns the name of a classifier and the trained one."""
    try:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(max_iter=500).fit(vectors, labels)
        return "scikit-learn", lambda some: list(model.predict(some))
    except ImportError:
        pass
    try:
        import torch
    except ImportError:
        return "nearest mean", nearest_mean(vectors, labels)
    torch.manual_seed(0)
    linear = torch.nn.Linear(len(vectors[0]), max(labels) + 1)
    optimiser = torch.optim.Adam(linear.parameters(), 0.02)
    inputs, targets = torch.tensor(vectors), torch.tensor(labels)
    for _ in range(200):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(linear(inputs), targets).backward()
        optimiser.step()
    return "PyTorch", lambda some: linear(torch.tensor(some)).argmax(1).tolist()


def nearest_mean(vectors: Sequence[Vector], labels: Sequence[int]) -> Model:
    """A classifier without any library."""
    means: dict[int, Vector] = {}
    for label in sorted(set(labels)):
        own = [v for v, of in zip(vectors, labels, strict=True) if of == label]
        means[label] = [sum(column) / len(own) for column in zip(*own, strict=True)]

    def nearest(vector: Vector) -> int:
        return min(
            means, key=lambda m: sum((a - b) ** 2 for a, b in zip(vector, means[m], strict=True))
        )

    return lambda some: [nearest(vector) for vector in some]


def main() -> None:
    given = from_folder(Path(sys.argv[1])) if len(sys.argv) > 1 else generated()
    with dsm.init("pictures", pattern="{label}/{_}") as repo:
        if not repo.created:
            raise SystemExit("run it in an empty folder: pictures is there already")
        pictures = repo.dataset()
        # The first changeset has a tenth of the data, the second one brings the rest.
        for step, message in ((10, "the first tenth"), (1, "all of it")):
            files = {
                f"{label}/{name}": data
                for label, images in given.items()
                for number, (name, data) in enumerate(images.items()) if number % step == 0
            }  # fmt: skip
            pictures.add(files)
            pictures.commit(message, source="compare_changesets.py")

        scores = []
        testing = split(pictures.prepare(at=2))[2:]
        for number in (1, 2):
            view = pictures.prepare(at=number)
            vectors, labels, *_ = split(view)
            name, model = trained(vectors, labels)
            right = sum(a == b for a, b in zip(model(testing[0]), testing[1], strict=True))
            scores.append(right / len(testing[1]))
            print(f"changeset {number}: version {view.version[:16]}, digest {view.digest[:16]}")
            print(f"  {name}: trained on {len(vectors)}, right for {scores[-1]:.0%}")
        print(f"the second changeset makes a difference of {scores[1] - scores[0]:+.0%}")


if __name__ == "__main__":
    main()
