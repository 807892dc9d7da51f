"""Pictures and texts that are like nothing else, by a number, and what people do to copies."""

from __future__ import annotations

import io
import random
from functools import cache

import numpy as np
from PIL import Image

BICUBIC = Image.Resampling.BICUBIC
WORDS = [f"{a}{b}{c}" for a in "bdgkmr" for b in "aeiou" for c in ("", "ls", "nt", "sh", "rk")]


@cache
def picture(seed: int, side: int = 128) -> Image.Image:
    """Clouds of several sizes in colour, with a few boxes."""
    source = np.random.default_rng(seed)
    grey = np.zeros((side, side, 3))
    for cells in (3, 6, 12, 24):
        small = (source.random((cells, cells, 3)) * 255).astype(np.uint8)
        cloud = Image.fromarray(small).resize((side, side), BICUBIC)
        grey += np.asarray(cloud, float) / cells
    grey = (grey - grey.min()) / (grey.max() - grey.min()) * 255
    return Image.fromarray(grey.astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Returns it without so much at each edge."""
    w, h = image.size
    return image.crop(
        (round(w * share), round(h * share), round(w - w * share), round(h - h * share))
    )


def story(seed: int, words: int = 60) -> str:
    """Words in no order."""
    source = random.Random(seed)
    return " ".join(source.choice(WORDS) + source.choice(["", ",", "."]) for _ in range(words))
