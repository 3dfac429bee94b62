"""Options that commands share: put into a command's signature, handed over as one value."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any


def spliced(
    command: Callable[..., None],
    place: str,
    options: Sequence[inspect.Parameter],
    gather: Callable[[dict[str, Any]], Any],
) -> Callable[..., None]:
    """The command with options in the place of its parameter `place`, as Typer reads them.

    gather: makes of their values, by name, what the command gets as `place`.
    """

    def called(**values: Any) -> None:
        given = {option.name: values.pop(option.name) for option in options}
        command(**values, **{place: gather(given)})

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if parameter.name == place:
            parameters += options
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {}
    return called
