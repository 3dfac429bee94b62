"""Rendered driving scenes with the labels of every task.

`RenderedScenes` is a data set and an endless test drive: clips of video from a camera car, made
on one CPU core as fast as a camera delivers them, the same bytes for the same seed. Image and
semantic mask are painted by the same calls into one four-channel canvas (colour and code), from
far to near, so that they agree to the pixel; boxes, keypoints and their visibility come from the
same codes.

What is modelled, and where:

- `look`: time of day (day, dusk, night), weather (clear, overcast, rain, fog), exposure, lens.
- `camera`: a pin-hole camera with pitch and yaw over flat ground, roads straight or bent.
- `section`, `ground`, `marking`: cross-sections of five kinds of street, driving on either side,
  junctions, asphalt with wear and patches, kerbs, slabs, grass, markings, crossings; shadows of
  houses and trees; all as a texture in the road's coordinates with levels made for perspective.
- `frontage`, `building`, `facade`, `tree`, `furniture`: houses with shops, windows and roofs,
  hedges, fences, trees in leaf and bare, lamps, signs, traffic lights, bollards, bins.
- `traffic`, `body`, `vehicle`, `skeleton`, `figure`, `person`: parked, oncoming and leading
  cars, vans and buses, cyclists, and pedestrians whose 17 keypoints follow a walking gait.
- `sky`, `lens`: clouds and skyline; headlights, street lamps, glows, haze by depth, wet roads,
  rain, noise, blur, vignetting, JPEG.
- `canvas`, `labels`, `depth`, `world`, `scenes`: painting, labels, depth, a clip, the data set.

Limits: the ground is flat; nobody changes lanes, brakes for others or turns off; a cyclist's
rider has no keypoints; trees are flat sprites; what lies behind the first row of houses is a
skyline; wet roads mirror the picture's upper half, not the scene; bins and cabinets are `IGNORE`.
"""

from edge_mtl.data.rendered.labels import VOCABULARY
from edge_mtl.data.rendered.scenes import RenderedScenes

__all__ = ["VOCABULARY", "RenderedScenes"]
