"""Puts what `scaling.py` and `estimates.py` found into docs/scaling.md.

    python benchmarks/scaling.py -o benchmarks/results/scaling.json
    python benchmarks/estimates.py -o benchmarks/results/estimates.json
    python benchmarks/scaling_page.py

Tables and walls stand between marks in the page, and are replaced as a whole; the picture is
docs/images/scaling.png. A test compares the page with the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import rows
import typer
from marked_part import replaced

from edge_mtl.benchmark.result import BenchResult, Curve, Estimate, Point
from edge_mtl.train.whole_file import write_whole

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURE = DOCS / "scaling.md", DOCS / "images/scaling.png"
MEASURED, ESTIMATED = rows.RESULTS / "scaling.json", rows.RESULTS / "estimates.json"


def command() -> None:
    from curves.plot import plot  # the page itself takes no Matplotlib

    page = PAGE.read_text(encoding="utf-8")
    if MEASURED.exists():
        result = BenchResult.read(MEASURED)
        plot(PICTURE, result.curves, _of_machine(result))
        page = with_curves(page, result)
    if ESTIMATED.exists():
        page = with_estimates(page, BenchResult.read(ESTIMATED).estimates)
    write_whole(PAGE, page.encode())


def with_curves(page: str, result: BenchResult) -> str:
    """The page with a row a curve, the picture, and the walls."""
    walls = dict.fromkeys((each.quantity, each.wall) for each in result.curves)
    lines = [
        f"`{result.command}`, {result.rounds} rounds on {_of_machine(result)}:",
        "",
        "| over | what | exponent | fixed, ms | smallest | largest |",
        "|---|---|---|---|---|---|",
        *(_row(each) for each in result.curves),
        "",
        f"![The curves, with the fits through them]({PICTURE.relative_to(DOCS)})",
        "",
        *(f"- **{quantity}**: {wall}" for quantity, wall in walls),
    ]
    return replaced(page, "curves", lines)


def with_estimates(page: str, estimates: Sequence[Estimate]) -> str:
    """The page with a row a device, how each came about, and what would replace it."""
    sources = list(dict.fromkeys(source for each in estimates for source in each.sources))
    lines = [
        "| device | a frame, **estimated** | frames/s, **estimated** | from |",
        "|---|---|---|---|",
        *(
            f"| `{each.device}` | {each.low_ms:g} to {each.high_ms:g} ms | "
            f"{1e3 / each.high_ms:.0f} to {1e3 / each.low_ms:.0f} | {_basis(each, sources)} |"
            for each in estimates
        ),
        "",
        *(f"{number}. {source}" for number, source in enumerate(sources, start=1)),
        "",
        "What would put a measurement in the place of each:",
        "",
        "```",
        *(line for each in estimates for line in each.command.split(" && ")),
        "```",
    ]
    return replaced(page, "estimates", lines)


def _row(curve: Curve) -> str:
    exponent = curve.exponent
    cells = [
        curve.quantity,
        curve.what,
        f"{exponent.value:.2f} ({exponent.low:.2f} to {exponent.high:.2f})",
        f"{curve.fixed_ms:.2f}" if curve.fixed_ms else "",
        *(_point(curve.quantity, point) for point in (curve.points[0], curve.points[-1])),
    ]
    return f"| {' | '.join(cells)} |"


def _point(quantity: str, point: Point) -> str:
    size = f"{point.x / 1e6:.2g} million" if quantity.startswith("pixels") else f"{point.x:.0f}"
    return f"{point.ms.value:.2f} ms at {size}"


def _basis(estimate: Estimate, sources: list[str]) -> str:
    numbers = ", ".join(str(1 + sources.index(each)) for each in estimate.sources)
    return f"{estimate.basis.removeprefix('ESTIMATE ')}; sources {numbers}"


def _of_machine(result: BenchResult) -> str:
    return f"{result.machine.processor}, {result.machine.cores} cores"


if __name__ == "__main__":
    typer.run(command)
