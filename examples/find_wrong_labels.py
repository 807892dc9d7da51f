"""From data to model and back: labels go wrong, the metric drops, the wrong ones are found again.

    python find_wrong_labels.py [FOLDER]

FOLDER has a folder of images for each class, as CIFAR-10 is often unpacked; reading PNG or JPEG
needs Pillow. Without it, the digits that come with scikit-learn are used. It needs scikit-learn.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import dsm
from dsm.catalog import Catalog
from dsm.views.view import View

SWAPPED = 0.05
PER_CLASS = 300  # at most, of each class of a folder
FOLDS = 3


def digits(top: Path) -> None:
    """Writes the 1,797 digits of scikit-learn as grey images of 8 by 8 pixels, a folder a class."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = top / str(label) / f"{number:04d}.pgm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"P5 8 8 16\n" + bytes(image.astype(np.uint8)))


def copied(source: Path, top: Path) -> None:
    """Takes the first images of each class of a folder."""
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
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

    image = Image.open(io.BytesIO(data)).convert("RGB").resize((16, 16))
    return np.asarray(image, float).ravel() / 255


def train(repo: Catalog, view: View, name: str) -> float:
    """Predicts each part of a view with a model of the others; returns the accuracy."""
    with dsm.run(name, path=repo.root, parameters={"folds": FOLDS, "swapped": SWAPPED}) as run:
        examples = list(dsm.open(repo.root).view(view.version))
        features = np.array([pixels(example.bytes) for example in examples])
        labels = np.array([example.target for example in examples])
        model = make_pipeline(PCA(40, random_state=0), KNeighborsClassifier(15, weights="distance"))
        chances = cross_val_predict(model, features, labels, cv=FOLDS, method="predict_proba")
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
        copied(Path(sys.argv[1]), top)
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
