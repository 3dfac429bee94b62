"""`RenderedScenes`: clips of driving video with the labels of every task."""

from functools import lru_cache

from edge_mtl.data.rendered.canvas import Pixels
from edge_mtl.data.rendered.depth import plane_of
from edge_mtl.data.rendered.labels import VOCABULARY, boxes_of, masks_of
from edge_mtl.data.rendered.world import World
from edge_mtl.data.sample import Sample


@lru_cache(maxsize=3)
def _world(seed: int, clip: int, size: tuple[int, int], seconds: float) -> World:
    """Worlds take some 40 MB and some tenths of a second each."""
    return World(seed, clip, size, seconds)


class RenderedScenes:
    """A data set of `frames` rendered frames, in clips of `clip_frames` at `fps` frames a second.

    Frame `index` is a pure function of (seed, index, size, clip_frames, fps): in whatever order
    frames are asked for, they come out the same to the byte. Frames of one clip share a world
    that is kept while it is in use: reading clip by clip is much faster than reading at random.

    The plane "depth" is as `rendered.depth.plane_of` describes.

    size: width and height in pixels.
    """

    vocabulary = VOCABULARY
    name = "rendered"

    def __init__(
        self,
        frames: int,
        seed: int = 0,
        size: tuple[int, int] = (640, 384),
        clip_frames: int = 90,
        fps: float = 30.0,
    ) -> None:
        self.frames, self.seed, self.size = frames, seed, size
        self.clip_frames, self.fps = clip_frames, fps

    def __len__(self) -> int:
        return self.frames

    def _at(self, index: int) -> tuple[World, float]:
        if not 0 <= index < self.frames:
            raise IndexError(f"frame must be in 0..{self.frames - 1}, found {index}")
        clip, frame = divmod(index, self.clip_frames)
        seconds = self.clip_frames / self.fps
        return _world(self.seed, clip, self.size, seconds), frame / self.fps

    def image(self, index: int) -> Pixels:
        """The picture alone: (H, W, 3) uint8 BGR."""
        return self.images(index)[0]

    def images(self, index: int) -> tuple[Pixels, dict[str, Pixels]]:
        """The picture and its planes, without labels."""
        world, t = self._at(index)
        image, _, _, depth = world.paint(t, index)
        return image, {"depth": plane_of(depth)}

    def __getitem__(self, index: int) -> Sample:
        world, t = self._at(index)
        image, canvas, codes, depth = world.paint(t, index)
        return Sample(
            image=image,
            name=f"rendered:{self.seed}/{index}",
            masks=masks_of(canvas, codes),
            boxes=boxes_of(canvas, codes),
            attributes={"time": world.look.time, "weather": world.look.weather},
            planes={"depth": plane_of(depth)},
        )
