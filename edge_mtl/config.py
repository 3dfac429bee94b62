"""Strict configuration: TOML and `key=value` overrides into typed structs, errors that help."""

from __future__ import annotations

import difflib
import json
import sys
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from edge_mtl.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

T = TypeVar("T")


def load_config(path: Path, into: type[T], overrides: Iterable[str] = ()) -> T:
    """Read a TOML file `into` a msgspec struct, with `section.key=value` overrides on top.

    A value of an override is read as TOML; what TOML does not understand is taken as a string.

    Raises:
        UsageError: the file is missing or is not TOML, a key is unknown (the nearest known one is
            named), a value has the wrong type or range, or an override is not `key=value`.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such configuration file; give the path of a .toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise UsageError(f"{path} is not TOML: {error}; mend it there") from None
    for override in overrides:
        _apply(data, override)
    return convert_config(data, into, str(path))


def overrides_into(into: type[T], overrides: Iterable[str], source: str) -> T:
    """A struct of `key=value` alone; `source` says in messages where they came from.

    Raises:
        UsageError: as of `load_config`.
    """
    data: dict[str, Any] = {}
    for override in overrides:
        _apply(data, override)
    return convert_config(data, into, source)


def convert_config(data: Mapping[str, Any], into: type[T], source: str) -> T:
    """Turn plain data `into` a struct; `source` says in messages where the data came from.

    Raises:
        UsageError: as of `load_config`.
    """
    problem = _unknown_key(data, into, "")
    if problem:
        raise UsageError(f"{source}: {problem}")
    try:
        return msgspec.convert(data, into)
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: {error}") from None


def first_difference(expected: Any, found: Any) -> str | None:
    """The first field in which two structs differ, in words with its full name; None if equal."""
    # Through JSON: what was read from a file has lists where a struct has tuples.
    left, right = (msgspec.json.decode(msgspec.json.encode(each)) for each in (expected, found))
    return _difference(left, right, "")


def _difference(expected: Any, found: Any, where: str) -> str | None:
    if expected == found:
        return None
    pairs: Iterable[tuple[str, Any, Any]] = ()
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = [*expected, *(key for key in found if key not in expected)]
        dot = "." if where else ""
        pairs = ((f"{where}{dot}{key}", expected.get(key), found.get(key)) for key in keys)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        both = enumerate(zip(expected, found, strict=True))
        pairs = ((f"{where}[{i}]", left, right) for i, (left, right) in both)
    for name, left, right in pairs:
        if left != right:
            return _difference(left, right, name)
    return f"expected {where} = {json.dumps(expected)}, found {json.dumps(found)}"


def _apply(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UsageError(f"expected key=value such as train.epochs=3, found {override!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise UsageError(
                f"{override!r}: {section!r} is a value, not a section; drop what follows"
            )
    data[last] = value


def _unknown_key(data: Any, expected: Any, where: str) -> str | None:
    """The first key of `data` that `expected` does not know, with the nearest known one."""
    if get_origin(expected) is Annotated:
        expected = get_args(expected)[0]
    if get_origin(expected) in (Union, types.UnionType):
        expected = _chosen(data, get_args(expected))
    if get_origin(expected) in (tuple, list) and isinstance(data, (list, tuple)):
        item = get_args(expected)[0]
        problems = (_unknown_key(each, item, f"{where}[{i}]") for i, each in enumerate(data))
        return next((problem for problem in problems if problem), None)
    if not (isinstance(expected, type) and issubclass(expected, msgspec.Struct)):
        return None
    if not isinstance(data, Mapping):
        return None
    hints = get_type_hints(expected, include_extras=True)
    known = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(expected)}
    tag = expected.__struct_config__.tag_field
    for key, value in data.items():
        if key == tag:
            continue
        full = f"{where}.{key}" if where else key
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            names = ", ".join(sorted(known))
            return f"unknown key {full!r}; did you mean {near[0]!r}? Known here: {names}"
        problem = _unknown_key(value, known[key], full)
        if problem:
            return problem
    return None


def _chosen(data: Any, options: tuple[Any, ...]) -> Any:
    """The member of a union that the data's tag names, or its only struct."""
    structs = [o for o in options if isinstance(o, type) and issubclass(o, msgspec.Struct)]
    for option in structs:
        config = option.__struct_config__
        if (
            isinstance(data, Mapping)
            and config.tag_field
            and data.get(config.tag_field) == config.tag
        ):
            return option
    return structs[0] if len(structs) == 1 else None
