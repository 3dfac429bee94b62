"""JSON Schemas of what others read, from the types that write it.

They lie in the package beside the types, as `*.schema.json`; a test holds the two together.
"""

from __future__ import annotations

from typing import Any

import msgspec


def json_schema(kind: type) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what a type is in JSON."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(kind),
    }
