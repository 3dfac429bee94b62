"""The schemas in the package are what the types say."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

import edge_mtl
from edge_mtl import zoo
from edge_mtl.benchmark.result import BenchResult
from edge_mtl.bundle import Bundle, Manifest
from edge_mtl.json_schema import json_schema
from edge_mtl.scene_record import VERSION, SceneRecord

PACKAGE = Path(edge_mtl.__file__).parent
SCHEMAS = {
    "benchmark/result.schema.json": BenchResult,
    "manifest.schema.json": Manifest,
    "scene.schema.json": SceneRecord,
}


def written(kind: type) -> str:
    return json.dumps(json_schema(kind), indent=2) + "\n"


def test_no_schema_is_without_a_type() -> None:
    assert {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.schema.json")} == set(
        SCHEMAS
    )


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_file_is_what_the_type_says(name: str) -> None:
    """A changed type needs its file anew: `python tests/test_json_schema.py` writes all of them."""
    said = json.loads(written(SCHEMAS[name]))
    assert json.loads((PACKAGE / name).read_text(encoding="utf-8")) == said


def test_the_version_of_scenes_stands() -> None:
    assert VERSION == 1


def test_the_manifest_that_ships_keeps_to_the_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema, of the extra dev")
    check = jsonschema.Draft202012Validator(json_schema(Manifest))
    manifest = json.loads(
        msgspec.json.encode(Bundle.open(zoo.locate("driving-s", ".emtl")).manifest)
    )
    check.validate(manifest)
    assert not check.is_valid({**manifest, "precision": "int4"})


if __name__ == "__main__":
    for name, kind in SCHEMAS.items():
        (PACKAGE / name).write_text(written(kind), encoding="utf-8")
