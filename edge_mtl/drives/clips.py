"""Which clips `--sources` means: a video, a folder that is searched, or a list of these."""

from __future__ import annotations

from pyarrow.fs import FileInfo, FileSelector, FileType

from edge_mtl.data.images import IMAGE_SUFFIXES
from edge_mtl.drives.place import Place
from edge_mtl.errors import EdgeMtlError

VIDEO_SUFFIXES = (
    *(".avi", ".h264", ".h265", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
    *(".ts", ".webm", ".wmv"),
)
LIST_SUFFIX = ".txt"


def find_clips(sources: str) -> list[Place]:
    """The clips, each once, in a fixed order.

    A clip is a video, or a folder that directly holds images and no video. Folders are searched
    with all that is in them, but for names that begin with a dot. A list (`.txt`) has a clip or a
    folder a line, relative to its own folder; empty lines and those with a # in front are passed
    over. A video of a list is not looked for here: one that is missing fails as a clip, later.

    Args:
        sources: a path or an address; see `Place.parse`.

    Raises:
        UsageError: an address has a form that no store has.
        EdgeMtlError: there is nothing at the place, or no clip in it.
    """
    place = Place.parse(sources)
    found = _clips_of_list(place) if place.suffix == LIST_SUFFIX else _search(place)
    if not found:
        raise EdgeMtlError(
            f"{place.name}: expected clips, found none: neither a video "
            f"({', '.join(VIDEO_SUFFIXES)}) nor a folder of images ({', '.join(IMAGE_SUFFIXES)})"
        )
    return list(dict.fromkeys(found))


def _clips_of_list(place: Place) -> list[Place]:
    system, path = place.open()
    try:
        with system.open_input_stream(path) as file:
            text = file.read().decode()
    except OSError as error:
        raise place.refused(error) from None
    except UnicodeDecodeError as error:
        raise EdgeMtlError(
            f"{place.name}: expected a list, a clip a line in UTF-8, found {error}"
        ) from None
    found = []
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        clip = Place.parse(line, beside=place.parent)
        found += [clip] if clip.suffix in VIDEO_SUFFIXES else _search(clip)
    return found


def _search(place: Place) -> list[Place]:
    system, path = place.open()
    try:
        info = system.get_file_info(path)
        if info.type == FileType.File:
            return [place]
        if info.type == FileType.NotFound:
            raise EdgeMtlError(
                f"{place.name}: no such video or folder; expected one, or a list "
                f"({LIST_SUFFIX}) of them"
            )
        files = system.get_file_info(FileSelector(path, recursive=True))
    except OSError as error:
        raise place.refused(error) from None
    return [place / name if name else place for name in _clips_among(files, path)]


def _clips_among(files: list[FileInfo], base: str) -> list[str]:
    """The names, relative to `base` (empty for `base` itself), of the clips among these files."""
    videos: list[str] = []
    with_images: set[str] = set()
    for file in files:
        name = file.path[len(base) :].strip("/")
        if file.type != FileType.File or any(part.startswith(".") for part in name.split("/")):
            continue
        suffix = Place("", name).suffix
        if suffix in VIDEO_SUFFIXES:
            videos.append(name)
        elif suffix in IMAGE_SUFFIXES:
            with_images.add(name.rpartition("/")[0])
    # Beside a video, images are thumbnails and the like.
    with_videos = {name.rpartition("/")[0] for name in videos}
    return sorted([*videos, *(with_images - with_videos)])
