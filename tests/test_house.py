"""The order of the house: who may import whom, the symbolic link, and documents that hold."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]


class Rule(NamedTuple):
    """What a part may import besides itself and the standard library.

    house: of edge_mtl. libraries: of others. lazily: of both, but only inside functions, so that
    the part imports where it is not installed, and fast.
    """

    house: tuple[str, ...]
    libraries: tuple[str, ...]
    lazily: tuple[str, ...] = ()


CORE = (
    *("array_pool", "bundle", "bundle_reader", "cache_folder", "config", "engine_file", "errors"),
    *("extras", "headline", "json_schema", "machine", "onnx_references", "placement"),
    *("provenance", "reference", "scene", "scene_record", "signature", "spec", "tasks"),
    *("tensor_spec", "tensorrt_log", "timing", "zoo"),
)
BASICS = ("msgspec", "numpy")

# Imports run one way. The part of a module is the longest name here that it begins with.
RULES = {
    **dict.fromkeys(
        CORE, Rule(CORE, (*BASICS, "tomli"), lazily=("cryptography", "rich", "supervision"))
    ),
    "head_results": Rule(CORE, BASICS),
    "ops": Rule((*CORE, "_kernels", "head_results"), BASICS),
    "gpu": Rule((*CORE, "head_results"), BASICS, lazily=("_kernels", "pycuda")),
    "plane_writer": Rule((*CORE, "ops"), BASICS),
    "data": Rule(CORE, (*BASICS, "cv2"), lazily=("faster_coco_eval",)),
    "runtime": Rule(
        (*CORE, "gpu", "ops", "plane_writer", "data.images", "data.rendered"),
        (*BASICS, "cv2", "onnxruntime", "openvino"),
        lazily=("gi", "triton_python_backend_utils"),
    ),
    "runtime.tracking": Rule((*CORE, "runtime"), (*BASICS, "trackers")),
    "runtime.sinks.mcap_file": Rule(
        (*CORE, "runtime"), (*BASICS, "cv2", "foxglove_schemas_protobuf", "google", "mcap")
    ),
    "runtime.sinks.rerun_log": Rule((*CORE, "runtime"), (*BASICS, "cv2", "rerun")),
    "runtime.sinks.web": Rule(
        (*CORE, "runtime"), (*BASICS, "cv2", "prometheus_client", "starlette", "uvicorn")
    ),
    "drives": Rule(
        (*CORE, "data.images", "runtime"), (*BASICS, "pyarrow", "ray"), lazily=("rich",)
    ),
    "benchmark": Rule((*CORE, "ops", "runtime"), (*BASICS, "cv2"), lazily=("pynvml",)),
    "benchmark.report": Rule((*CORE, "benchmark"), ("jinja2", "markupsafe")),
    "diagnosis": Rule(CORE, (), lazily=("benchmark", "gpu", "ops", "runtime", "cv2")),
    "network": Rule(CORE, (*BASICS, "safetensors", "torch"), lazily=("timm",)),
    "evaluation": Rule(
        (*CORE, "data", "runtime"),
        (*BASICS, "cv2", "rich", "torch", "torchmetrics"),
        lazily=("faster_coco_eval",),
    ),
    "evaluation.plots": Rule(
        (*CORE, "data", "evaluation", "runtime"), (*BASICS, "cv2", "matplotlib", "torch")
    ),
    "train": Rule(
        (*CORE, "compression", "data", "evaluation", "export.schemes", "network"),
        (*BASICS, "cv2", "lightning_fabric", "rich", "torch"),
    ),
    "labelling": Rule(
        (*CORE, "data", "evaluation", "ops", "runtime"),
        (*BASICS, "cv2", "onnxruntime", "rich"),
        lazily=("ai_edge_litert", "network", "torch"),
    ),
    "compression": Rule(
        (*CORE, "data", "export.schemes", "network", "ops", "plane_writer"),
        (*BASICS, "torch", "torch_pruning"),
    ),
    "export": Rule(
        (*CORE, "data", "evaluation", "network", "ops", "plane_writer", "runtime"),
        (*BASICS, "google", "onnx", "onnxruntime", "torch"),
    ),
    "demo": Rule((*CORE, "data", "export", "network", "runtime"), BASICS),
    "cli": Rule(
        CORE,
        (*BASICS, "rich", "typer"),
        lazily=(
            *("compression", "data", "demo", "diagnosis", "drives", "evaluation", "export"),
            *("benchmark", "labelling", "network", "runtime", "train", "edge_mtl"),
        ),
    ),
    "edge_mtl": Rule((), (), lazily=(*CORE, "runtime")),
}


def house_modules() -> dict[str, Path]:
    """The path of every module by its name without `edge_mtl.`; the package itself is edge_mtl."""
    paths = {
        path: path.relative_to(ROOT / "edge_mtl") for path in (ROOT / "edge_mtl").rglob("*.py")
    }
    paths |= {path: path.relative_to(ROOT) for path in (ROOT / "export").rglob("*.py")}
    modules = {
        ".".join(relative.with_suffix("").parts).removesuffix("__init__").rstrip("."): path
        for path, relative in paths.items()
    }
    modules["edge_mtl"] = modules.pop("")
    return modules


MODULES = house_modules()


def begins_with(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def part_of(module: str) -> str:
    return max((part for part in RULES if begins_with(module, (part,))), key=len)


def imports_of(node: ast.AST, lazy: bool = False) -> Iterator[tuple[str, bool]]:
    """The full names that code imports, and whether that waits for a call or for a type checker."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            source = "." * child.level + (f"{child.module}." if child.module else "")
            yield from ((f"{source}{alias.name}", lazy) for alias in child.names)
        else:
            waits = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for_types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from imports_of(child, lazy or waits or for_types)


def house_name(imported: str) -> str:
    """`edge_mtl.scene.Mask` is in `scene`; `edge_mtl.Pipeline` is in `edge_mtl`, the face."""
    name = imported.partition(".")[2]
    while name and name not in MODULES and name != "_kernels":
        name = name.rpartition(".")[0]
    return name or "edge_mtl"


def complaints(module: str, source: str) -> list[str]:
    """What the imports of a module break."""
    part = part_of(module)
    rule = RULES[part]
    found = []
    for imported, lazy in imports_of(ast.parse(source)):
        library = imported.partition(".")[0]
        if library in sys.stdlib_module_names:
            continue
        if library == "edge_mtl":
            name, allowed = house_name(imported), (part, *rule.house)
        else:
            name, allowed = library, rule.libraries
        if begins_with(name, allowed) or (lazy and begins_with(name, rule.lazily)):
            continue
        place = "" if lazy or not begins_with(name, rule.lazily) else " outside a function"
        found.append(f"{module}: {part} may not import {name or imported}{place}")
    return found


def test_imports_run_one_way() -> None:
    broken = [
        complaint
        for module, path in sorted(MODULES.items())
        for complaint in complaints(module, path.read_text(encoding="utf-8"))
    ]
    assert broken == []


def test_every_rule_is_of_a_part() -> None:
    assert {part_of(module) for module in MODULES} == set(RULES)


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("runtime.stream", "import torch", "runtime may not import torch"),
        ("runtime.stream", "def f():\n import torch.nn", "runtime may not import torch"),
        ("runtime.stream", "from edge_mtl.data import augment", "may not import data.augment"),
        ("export.graph", "from edge_mtl.train.losses import Losses", "not import train.losses"),
        ("spec", "from edge_mtl import ops", "spec may not import ops"),
        ("data.sample", "class A:\n import torch", "data may not import torch"),
        ("cli.run", "import edge_mtl.train.loop", "not import train.loop outside a function"),
        ("cli.run", "from edge_mtl import Pipeline", "not import edge_mtl outside a function"),
        ("timing", "if True:\n import rich", "timing may not import rich outside a function"),
        ("scene", "from . import spec", "scene may not import .spec"),
    ],
)
def test_an_import_against_the_order_is_found(module: str, source: str, complaint: str) -> None:
    [found] = complaints(module, source)
    assert complaint in found


def test_imports_with_the_order_are_not_complained_about() -> None:
    source = "import os\nif TYPE_CHECKING:\n from edge_mtl.runtime import stream"
    assert complaints("cli.run", f"{source}\ndef f():\n from edge_mtl.train import loop") == []


REMOVED_FROM_TENSORRT_10 = {
    *("binding_is_input", "get_binding_dtype", "get_binding_index", "get_binding_name"),
    *("get_binding_shape", "num_bindings", "set_binding_shape", "execute_v2", "execute_async"),
    *("execute_async_v2", "max_batch_size", "max_workspace_size", "build_engine"),
}
"""Attributes of TensorRT's objects. `execute_v2` is still there, but takes bindings by number."""


def removed_names(source: str) -> set[str]:
    attributes = {n.attr for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Attribute)}
    return attributes & REMOVED_FROM_TENSORRT_10


def test_lesson_tensors_of_tensorrt_go_by_name_alone() -> None:
    """TensorRT#4216, #4007; tensorrtx#1555: what went by the number of a binding is gone in 10."""
    used = {module: removed_names(path.read_text("utf-8")) for module, path in MODULES.items()}
    assert {module: names for module, names in used.items() if names} == {}
    assert removed_names("context.execute_async_v2([1], stream)") == {"execute_async_v2"}


def test_export_is_a_link() -> None:
    """A copy in its place would let two versions of the stage live side by side."""
    link = ROOT / "edge_mtl" / "export"
    assert link.is_symlink(), "expected a symbolic link: ln -sfn ../export edge_mtl/export"
    assert link.readlink() == Path("../export")
    stage = importlib.import_module("edge_mtl.export")
    assert Path(stage.__file__ or "").samefile(ROOT / "export" / "__init__.py")


LARGE_BYTES = 8 * 2**20  # the weights that ship are smaller


def git(*arguments: str) -> list[str]:
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if result.returncode != 0:
        pytest.skip("not in a git checkout")
    return result.stdout.splitlines()


def test_the_link_is_tracked_as_a_link() -> None:
    [entry] = git("ls-files", "--stage", "edge_mtl/export")
    assert entry.startswith("120000 ")


def test_no_large_files_are_tracked() -> None:
    sizes = {
        name: (ROOT / name).lstat().st_size for name in git("ls-files") if (ROOT / name).exists()
    }
    assert {name for name, size in sizes.items() if size > LARGE_BYTES} == set()


README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_the_targets_that_the_documents_name_exist(text: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    assert named
    assert named <= targets


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_the_files_that_the_documents_name_exist(text: str) -> None:
    code = re.findall(r"`([\w-][\w.-]*/[\w./-]*)`", text)
    links = re.findall(r"\]\(([\w./-]+)\)", text)
    assert [name for name in (*code, *links) if not (ROOT / name).exists()] == []


def test_the_tables_that_contributing_names_exist() -> None:
    named = re.findall(r"`([A-Z_]+)` \(`([\w/]+\.py)`\)", CONTRIBUTING)
    assert len(named) >= 6
    for table, path in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^{table}\b.* = ", source, re.MULTILINE), f"no {table} in {path}"


def test_a_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*build, "-w", tmp_path, ROOT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = set(wheel.namelist())
    tracked = {name for name in git("ls-files", "edge_mtl") if name != "edge_mtl/export"}
    tracked |= {f"edge_mtl/{name}" for name in git("ls-files", "export")}
    # A board without a binary compiles the GPU's kernels from these.
    sources = {name for name in git("ls-files", "kernels") if name.endswith((".cu", ".flags"))}
    assert len(sources) > 2
    new = set(sources)
    while new:
        texts = [(ROOT / name).read_text(encoding="utf-8") for name in new]
        included = {f"kernels/{name}" for t in texts for name in re.findall(r'#include "(.*)"', t)}
        new = included - sources - {"kernels/host_shim.h"}
        sources |= new
    tracked |= {f"edge_mtl/_cuda/{Path(name).name}" for name in sources}
    if shutil.which("nvcc"):
        tracked |= {f"edge_mtl/_cuda/{Path(n).stem}.fatbin" for n in sources if n.endswith(".cu")}
    assert tracked - held == set()
