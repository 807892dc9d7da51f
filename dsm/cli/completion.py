"""dsm completion: print the script that completes dsm in a shell."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from dsm.errors import InvalidInput
from dsm.model.names import close_matches, printable

SHELLS = ("bash", "zsh", "fish")


def shells(incomplete: str) -> list[str]:
    """Returns the shells that begin so, for the shell to complete."""
    return [name for name in SHELLS if name.startswith(incomplete)]


def command(
    shell: Annotated[
        str | None,
        typer.Argument(
            metavar="[bash|zsh|fish]", autocompletion=shells, help="Default: the shell in SHELL"
        ),
    ] = None,
) -> None:
    """Print the script that completes dsm in a shell

    \b
    Examples:
      eval "$(dsm completion bash)"               # this session
      dsm completion bash >> ~/.bashrc            # every session
      dsm completion zsh >> ~/.zshrc
      dsm completion fish > ~/.config/fish/completions/dsm.fish
    """
    from typer._completion_shared import get_completion_script

    name = shell or os.path.basename(os.environ.get("SHELL", "")) or "bash"
    if name not in SHELLS:
        near = close_matches(name, SHELLS)
        raise InvalidInput(
            f"there is no completion for the shell {printable(name)}",
            hint=f"did you mean {near[0]}?" if near else f"one of {', '.join(SHELLS)}",
        )
    print(get_completion_script(prog_name="dsm", complete_var="_DSM_COMPLETE", shell=name))
