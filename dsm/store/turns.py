"""One turn at a time for what the threads of a process change together: which packs a store knows.

Reading is not slowed: readers take what was published last, whole. What is changed is made ready
beside it and then published by one assignment. A fork waits for its turn, so that a child finds
nothing half changed and nothing locked.
"""

from __future__ import annotations

import os
from _thread import RLock

CHANGING = RLock()

os.register_at_fork(
    before=CHANGING.acquire,
    after_in_parent=CHANGING.release,
    after_in_child=CHANGING.release,
)
