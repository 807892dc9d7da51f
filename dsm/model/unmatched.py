"""What `add` does with new files that the pattern of their dataset does not match."""

from __future__ import annotations

from dsm.errors import InvalidInput
from dsm.model.names import close_matches, quoted

SKIP, UNLABELLED, REFUSE = WORDS = ("skip", "unlabelled", "refuse")


def check_unmatched(word: str) -> str:
    """Returns one of `WORDS`. Raises InvalidInput for what is none of them."""
    if word not in WORDS:
        near = close_matches(word, WORDS)
        raise InvalidInput(
            f"{quoted(word)} is not one of {', '.join(WORDS)}: what is done with files that the"
            " pattern does not match",
            hint=f"did you mean {near[0]}?" if near else None,
        )
    return word
