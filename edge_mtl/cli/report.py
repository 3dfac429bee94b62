"""`edge-mtl report`: results of `edge-mtl bench --json` as a page, or as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_mtl.cli.options import ReportPage, ReportText, write_text
from edge_mtl.errors import UsageError


def command(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULT...", help="Files of --json, such as one a machine."),
    ],
    html: ReportPage = None,
    markdown: ReportText = None,
) -> None:
    from edge_mtl.benchmark.report.markdown import to_markdown
    from edge_mtl.benchmark.result import BenchResult

    if html is None and markdown is None:
        raise UsageError("expected --html FILE or --markdown FILE, found neither; add one")
    found = [BenchResult.read(path) for path in results]
    if html is not None:
        from edge_mtl.benchmark.report.html import write_html  # not all have Jinja

        write_html(found, html)
    if markdown is not None:
        write_text(markdown, to_markdown(found), "--markdown")
