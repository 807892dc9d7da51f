"""Keys and extensions of the members of a webdataset shard.

Readers take what stands before the first dot of a member's last component for the key of an
example, and what follows for the name of a field. Invariant: every example of a view has a key of
its own, also where letter case does not count, and no field of it is taken for another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from dsm.history.fold import files_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NO_EXTENSION = "bin"
# Fields that dsm writes itself, and what an extension of the same name becomes.
RESERVED = ("json", "cls")
SHORT_DIGITS = 8

# Extensions of two parts, which readers expect whole: what is compressed and by what; what belongs
# to an image and its format.
PACKED = (
    "bed", "cif", "csv", "fa", "fasta", "fastq", "fna", "fq", "geojson", "gff", "gtf", "html",
    "json", "jsonl", "mgh", "ndjson", "nii", "npy", "parquet", "pcd", "pdb", "ply", "sam", "sdf",
    "svg", "tar", "tsv", "txt", "vcf", "warc", "wat", "wet", "xml", "xyz",
)  # fmt: skip
PACKED_BY = ("br", "bz2", "gz", "lz4", "xz", "zst")
BESIDE_IMAGES = (
    "alpha", "annotation", "depth", "disparity", "flow", "instance", "label", "labels", "mask",
    "masks", "normal", "panoptic", "seg", "segmentation", "semantic",
)  # fmt: skip
IMAGES = ("bmp", "exr", "jpeg", "jpg", "npy", "npz", "png", "tif", "tiff", "webp")
_TWO_PARTS = (
    rf"(?i:(?:{'|'.join(PACKED)})\.(?:{'|'.join(PACKED_BY)})"
    rf"|(?:{'|'.join(BESIDE_IMAGES)})\.(?:{'|'.join(IMAGES)}))"
)
_SPLIT = rf"(?s)^(?P<folder>(?:.*/)?)(?P<stem>[^/]*?)(?:\.(?P<ext>{_TWO_PARTS}|[^./]*))?$"
# What a record is as a file of its own, by the format of its file; a member of an archive has an
# extension already, and others are JSON.
_ENDINGS = {"csv": "csv", "tsv": "tsv", "text": "txt"}
_ARCHIVES = ("tar", "zip")
# Dots end a key; readers stumble over controls.
_UNFIT = r"[.\x00-\x1f\x7f]"


def keys_of(
    paths: pa.ChunkedArray,
    records: pa.ChunkedArray | None = None,
    formats: Mapping[str, str] | None = None,
    *,
    alone: bool = True,
) -> tuple[pa.Array, pa.Array]:
    """Returns the key and the extension of each path, in this order.

    Paths that are not `alone` are some of many that are not known here: a key is then the same
    whatever is beside it, and differs from those of other paths if letter case counts. Of
    `records` the whole name is the key, the file's with it; `formats` are those of files whose
    records are not JSON.
    """
    array = paths.combine_chunks() if isinstance(paths, pa.ChunkedArray) else paths
    if isinstance(array, pa.ChunkedArray):  # pyarrow leaves an empty one as it is
        array = pa.array([], pa.string())
    parts = pc.extract_regex(array, _SPLIT)
    folder, stem, ext = (pc.struct_field(parts, name) for name in ("folder", "stem", "ext"))
    own = None if records is None or not pc.any(records).as_py() else records.combine_chunks()
    if own is not None:
        kinds = formats or {}
        files = files_of(array)
        own = pc.and_not(own, _among(files, kinds, *_ARCHIVES))
        stem = pc.if_else(own, pc.replace_substring_regex(array, r"(?s)^.*/", ""), stem)
        ext = pc.if_else(own, "json", ext)
        for kind, ending in _ENDINGS.items():
            ext = pc.if_else(pc.and_(own, _among(files, kinds, kind)), ending, ext)
    plain = pc.binary_join_element_wise(folder, stem, "")
    keys = pc.binary_join_element_wise(
        pc.replace_substring_regex(folder, r"[\x00-\x1f\x7f]", "_"),
        pc.replace_substring_regex(stem, _UNFIT, "_"),
        "",
    )
    if own is not None and alone:  # dots in names of files are no reason for a hash
        plain = pc.if_else(own, keys, plain)
    # Readers pass over what begins with two underscores and ends with two.
    keys = pc.replace_substring_regex(keys, r"^__+", "_")
    marked = pc.or_(pc.not_equal(keys, plain), pc.equal(stem, ""))
    if alone:
        marked = pc.or_(marked, _shared(keys))
    keys = _with_hash(keys, array, marked, SHORT_DIGITS)
    again = _shared(keys) if alone else pa.array([False])
    if pc.any(again).as_py():  # a name that looks like another's key with its hash
        keys = _with_hash(keys, array, again, 64)
    return keys, _extensions(ext)


def _among(files: pa.Array, formats: Mapping[str, str], *kinds: str) -> pa.Array:
    """Which files are of one of some formats."""
    names = [path for path, each in formats.items() if each in kinds]
    return pc.is_in(files, value_set=pa.array(names, pa.string()))


def _extensions(ext: pa.Array) -> pa.Array:
    ext = pc.utf8_lower(pc.replace_substring_regex(ext, r"[\x00-\x1f\x7f]", "_"))
    ext = pc.if_else(pc.equal(ext, ""), NO_EXTENSION, ext)
    taken = pc.or_(
        pc.is_in(ext, value_set=pa.array(RESERVED)),
        pc.or_(pc.starts_with(ext, "__"), pc.ends_with(ext, "__")),
    )
    return pc.if_else(taken, pc.binary_join_element_wise("payload", ext, "."), ext)


def _shared(keys: pa.Array) -> pa.Array:
    """Which keys are those of another example too, letter case aside."""
    small = pc.utf8_lower(keys)
    counts = pc.value_counts(small)
    often = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    return pc.is_in(small, value_set=often)


def _with_hash(keys: pa.Array, paths: pa.Array, marked: pa.Array, digits: int) -> pa.Array:
    if not pc.any(marked).as_py():
        return keys
    names: Iterable[str] = paths.filter(marked).to_pylist()
    hashes = pa.array([blake3(name.encode()).hexdigest()[:digits] for name in names], pa.string())
    changed = pc.binary_join_element_wise(keys.filter(marked), hashes, "-")
    return pc.replace_with_mask(keys, marked, changed)
