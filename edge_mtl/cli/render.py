"""`edge-mtl render`: rendered driving scenes as a video, or as a folder with all labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_mtl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_mtl.data.rendered import RenderedScenes


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A video such as clip.mp4, or a new folder.")
    ],
    frames: Annotated[int, typer.Option(min=1, help="How many frames.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other streets.")] = 7,
    width: Annotated[int, typer.Option(min=64, help="Pixels.")] = 640,
    height: Annotated[int, typer.Option(min=64, help="Pixels.")] = 384,
    fps: Annotated[
        float, typer.Option(min=0.1, help="Frames in a second of the scene, and of the video.")
    ] = 30.0,
    clip_frames: Annotated[
        int, typer.Option(min=1, help="Frames until the next street, hour and weather.")
    ] = 90,
) -> None:
    from edge_mtl.cli.progress import stages
    from edge_mtl.data.rendered import RenderedScenes
    from edge_mtl.runtime.sinks.video import is_video

    scenes = RenderedScenes(frames, seed, (width, height), clip_frames, fps)
    with stages() as tell:

        def advance(done: int, total: int) -> None:
            tell("render", done, total)

        if is_video(output):
            _write_video(scenes, output, fps, advance)
        elif output.suffix:
            raise UsageError(
                f"{output}: expected a video such as clip.mp4, or a folder without a suffix, found "
                f"{output.suffix!r}; name one of these"
            )
        else:
            from edge_mtl.data.scene_writer import write_scene_folder

            write_scene_folder(scenes, output, advance)
    typer.echo(f"{output}: {frames} frames of {width}x{height}")


def _write_video(
    scenes: RenderedScenes, path: Path, fps: float, advance: Callable[[int, int], None]
) -> None:
    from edge_mtl.runtime.sinks.video import open_writer

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = open_writer(path, fps, scenes.size)
    try:
        for index in range(len(scenes)):
            writer.write(scenes.image(index))
            advance(index + 1, len(scenes))
    finally:
        writer.release()
