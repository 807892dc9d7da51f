"""A dataset that fits its contract, to be broken in many ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from situations import Work

JPEG, PNG = b"\xff\xd8\xff\xe0 picture ", b"\x89PNG\r\n\x1a\n"
CONTRACT = """\
[dataset.data.rules]
extensions.allow = [".jpg"]
media-types.allow = ["image/jpeg"]
size = { min = 1, max = "1 kB" }
path.pattern = '(train|test)/[a-z]+/[^/]+'
labels = { vocabulary = ["cat", "dog"], max = 1 }
label-counts = { labels = ["cat", "dog"], min = 4, min-share = "20%" }
balance = { max-ratio = 2, labels = ["cat", "dog"] }
conflicting-labels = {}
duplicates = {}
leakage.by = "folder"
change = { max-removed = "25%", max-relabelled = 0.3, max-growth = "50%", labels-stay = true, approved-by = "approved" }

[[dataset.data.rules.attribute]]
name = "width"
type = "int"
min = 1
max = 100
required = true

[[dataset.data.rules.attribute]]
name = "camera"
values = ["left", "right"]
max-missing = "50%"

[[dataset.data.rules.attribute]]
name = "serial"
pattern = "[A-Z]{2}[0-9]+"
unique = true

[[dataset.data.rules.attribute]]
name = "score"
min = 0
max = 1
"""  # fmt: skip


class Sound:
    """The dataset: six cats and six dogs, in two folders."""

    def __init__(self, work: Work):
        self.work = work
        work.path("dsm.toml").write_text(CONTRACT)

    def put(self, path: str, content: bytes | None = None, *labels: str, **said: object) -> None:
        """Stages an example with attributes; by default it fits."""
        ds = self.work.ds
        ds.add({path: JPEG + path.encode() if content is None else content}, labels=labels)
        ds.label([path], attributes={"width": 10, "camera": "left", "score": 0.5, **said})  # type: ignore[dict-item]

    def broken(self) -> set[str]:
        """The rules that what is staged fails, which then is staged no more."""
        report = self.work.ds.check(staged=True)
        found = {finding.rule for finding in report.findings()}
        assert found == {ran.rule.name for ran in report.ran if ran.count}
        self.work.ds.unstage()
        return found


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    folder: Path = tmp_path_factory.mktemp("sound")
    made = Sound(Work(folder))
    for number in range(12):
        label = ("cat", "dog")[number % 2]
        side = "train" if number < 8 else "test"
        made.put(f"{side}/{label}/{number}.jpg", None, label, serial=f"AB{number}")
    made.work.ds.commit("sound")
    return made
