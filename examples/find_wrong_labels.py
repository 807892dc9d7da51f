"""From data to model and back: labels go wrong, the metric drops, the wrong ones are found again.

    python find_wrong_labels.py [FOLDER [CLASS…]]

FOLDER has a folder of images for each class, as CIFAR-10 is often unpacked, of which the named ones
are taken; reading PNG or JPEG needs Pillow. Without a folder, the digits that come with
scikit-learn are used. It needs scikit-learn.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import SVC

import dsm
from dsm.catalog import Catalog
from dsm.views.view import View

SWAPPED = 0.05
PER_CLASS = 600  # at most, of each class of a folder
FOLDS = 3
SIDE, CELL, BINS = 32, 4, 9  # of a picture and the squares in it, in pixels; directions of edges


def digits(top: Path) -> None:
    """Writes the 1,797 digits of scikit-learn as grey images of 8 by 8 pixels, a folder a class."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = top / str(label) / f"{number:04d}.pgm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"P5 8 8 16\n" + bytes(image.astype(np.uint8)))


def copied(source: Path, classes: list[str], top: Path) -> None:
    """Takes the first images of the classes of a folder, of all of them when none is named."""
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        if classes and folder.name not in classes:
            continue
        images = sorted(path for path in folder.iterdir() if path.is_file())
        if not images or folder.name.startswith("."):
            continue
        (top / folder.name).mkdir(parents=True)
        for image in images[:PER_CLASS]:
            (top / folder.name / image.name).write_bytes(image.read_bytes())


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    """Returns what a model sees of an image."""
    if data.startswith(b"P5 8 8 16\n"):
        return np.frombuffer(data[-64:], np.uint8).astype(float)
    import io

    from PIL import Image

    image = Image.open(io.BytesIO(data)).convert("RGB")
    colours = np.asarray(image.resize((6, 6)), float).ravel() / 255
    return np.concatenate([edges(np.asarray(image.resize((SIDE, SIDE)), float) / 255), colours])


def edges(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Returns in which directions edges run in each square of an image (SIDE, SIDE, 3).

    Histograms of oriented gradients, Dalal and Triggs 2005: https://doi.org/10.1109/CVPR.2005.177
    """
    down, right = np.gradient(image, axis=(0, 1))
    strongest = np.hypot(down, right).argmax(2)[..., None]
    down, right = (np.take_along_axis(each, strongest, 2)[..., 0] for each in (down, right))
    direction = np.minimum((np.arctan2(down, right) % np.pi / np.pi * BINS).astype(int), BINS - 1)
    y, x = np.mgrid[:SIDE, :SIDE] // CELL
    squares = np.zeros((SIDE // CELL, SIDE // CELL, BINS))
    np.add.at(squares, (y, x, direction), np.hypot(down, right))
    # Each block of four squares is made as strong as any other.
    blocks = np.lib.stride_tricks.sliding_window_view(squares, (2, 2), axis=(0, 1))
    blocks = blocks.reshape(-1, BINS * 4)
    return (blocks / np.sqrt((blocks**2).sum(1, keepdims=True) + 1e-3)).ravel()


def train(repo: Catalog, view: View, name: str) -> float:
    """Predicts each part of a view with a model of the others; returns the accuracy."""
    with dsm.run(name, path=repo.root, parameters={"folds": FOLDS, "swapped": SWAPPED}) as run:
        examples = list(dsm.open(repo.root).view(view.version))
        features = np.array([pixels(example.bytes) for example in examples])
        labels = np.array([example.target for example in examples])
        model = CalibratedClassifierCV(SVC(C=3.0), ensemble=False, cv=3)
        folds = StratifiedKFold(FOLDS)
        chances = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")
        right = chances.argmax(axis=1) == labels
        for fold, (_, part) in enumerate(folds.split(features, labels)):
            run.log_metric("fold_accuracy", float(right[part].mean()), step=fold)
        run_id = run.id
    paths = [example.path for example in examples]
    repo.predictions.add(run_id, paths, probabilities=chances, classes=view.classes)
    accuracy = repo.predictions.evaluate(run_id).metrics["accuracy"]
    print(f"{name:10} {len(examples):,} examples, accuracy {accuracy:.4f}")
    return accuracy or 0.0


def swap(repo: Catalog, view: View) -> set[str]:
    """Gives some examples the label of another class; returns their paths."""
    draw = random.Random(0)
    classes, paths = view.classes, [example.path for example in view]
    chosen = draw.sample(paths, int(SWAPPED * len(paths)))
    by_label: dict[str, list[str]] = {}
    for path in chosen:
        label = view[path].labels[0]
        by_label.setdefault(draw.choice([c for c in classes if c != label]), []).append(path)
    dataset = repo.dataset()
    for label, members in by_label.items():
        dataset.label(members, set=[label])
    dataset.commit("labels by a careless annotator")
    return set(chosen)


def main() -> None:
    top = Path("pictures")
    if len(sys.argv) > 1:
        copied(Path(sys.argv[1]), sys.argv[2:], top)
    else:
        digits(top)
    with dsm.init(".", dataset="pictures", pattern="pictures/{label}/{_}") as repo:
        dataset = repo.dataset()
        dataset.add(["pictures"])
        dataset.commit("as they came")
        before = dataset.prepare(name="before")
        train(repo, before, "before")

        wrong = swap(repo, before)
        after = dataset.prepare(name="after")
        train(repo, after, "after")
        reasons = before.explain(after).reasons
        named = {path for reason in reasons for path, _ in reason.examples()}
        print(f"compare    names {len(named & wrong)} of {len(wrong)} as the difference")

        found = [each.path for each in repo.predictions.suspects("after").found]
        first = found[: 2 * len(wrong)]
        share = len(wrong & set(first)) / len(wrong)
        print(f"suspects   {share:.0%} of the swapped labels are in the first {len(first)}")

        for each in repo.predictions.suspects("after").found[: 2 * len(wrong)]:
            if each.path in wrong:  # what a person who looks at them would correct
                dataset.label([each.path], set=list(before[each.path].labels))
        dataset.commit("corrected")
        train(repo, dataset.prepare(name="corrected"), "corrected")
        used = repo.used(sorted(wrong)[0])
        print(f"lineage    {sorted(wrong)[0]} was in {len(used.runs)} runs")
        assert named >= wrong, "the difference of the runs has every swapped label"
        assert share >= 0.7 or len(sys.argv) > 1, "most swapped labels are suspect"


if __name__ == "__main__":
    main()
