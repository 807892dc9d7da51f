"""The message of a changeset, written in the user's own editor.

The editor is what the user's environment names, never what a repository says, and it is started
without a shell.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile

from dsm.errors import AnswerIsNo, InvalidInput

VARIABLES = ("DSM_EDITOR", "VISUAL", "EDITOR")
DEFAULT = "vi"
MESSAGE_BYTES_MAX = 1 << 20
_TEMPLATE = """
# What is this changeset about? Lines that begin with # are left out;
# without a message nothing is committed.
"""


def written_message() -> str:
    """Opens the editor and returns what was written, without comments.

    Raises InvalidInput where nobody sits at a terminal, or the editor cannot be started, and
    AnswerIsNo for an empty message, or an editor that fails.
    """
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        raise InvalidInput("a commit needs a message", hint='give it with -m "…"')
    found = next((name for name in VARIABLES if os.environ.get(name)), None)
    editor = os.environ[found] if found else DEFAULT
    named = f"{editor} ({found})" if found else editor
    with tempfile.TemporaryDirectory(prefix="dsm-commit-") as folder:
        path = os.path.join(folder, "message.txt")
        with open(path, "x", encoding="utf-8") as file:
            file.write(_TEMPLATE)
        try:
            status = subprocess.run([*shlex.split(editor), path]).returncode
        except (OSError, ValueError) as error:
            raise InvalidInput(
                f"the editor {named} cannot be started: {error}",
                hint="set DSM_EDITOR, or give the message with -m",
            ) from None
        if status:
            raise AnswerIsNo(f"the editor {named} ended with status {status}: nothing is committed")
        try:
            with open(path, "rb") as read:
                text = read.read(MESSAGE_BYTES_MAX + 1).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"the message cannot be read: {error}") from None
    if len(text) > MESSAGE_BYTES_MAX:
        raise InvalidInput("the message is longer than 1 MiB")
    lines = [line.rstrip() for line in text.splitlines() if not line.startswith("#")]
    message = "\n".join(lines).strip()
    if not message:
        raise AnswerIsNo("the message is empty: nothing is committed")
    return message
