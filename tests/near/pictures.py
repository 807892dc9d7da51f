"""Pictures that look like nothing else, drawn by a number, and what people do to copies of one."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image

BICUBIC = Image.Resampling.BICUBIC


@cache
def picture(seed: int, side: int = 128) -> Image.Image:
    """Clouds of several sizes in colour, with a few boxes."""
    random = np.random.default_rng(seed)
    grey = np.zeros((side, side, 3))
    for cells in (3, 6, 12, 24):
        small = (random.random((cells, cells, 3)) * 255).astype(np.uint8)
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
