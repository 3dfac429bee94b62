"""Clothed bodies drawn over keypoints: the outlines of all limbs of all people in one go."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.camera import Points
from edge_mtl.data.rendered.canvas import Canvas, Colour

SKINS = ((150, 180, 222), (130, 165, 210), (95, 130, 180), (60, 88, 130), (42, 62, 95))
CLOTHES = (
    (34, 32, 32),
    (52, 46, 42),
    (72, 54, 42),
    (92, 66, 48),
    (42, 44, 48),
    (60, 66, 78),
    (98, 84, 74),
    (130, 128, 124),
    (62, 60, 120),
    (42, 38, 90),
    (78, 88, 72),
    (170, 172, 174),
    (205, 208, 210),
    (120, 100, 82),
    (58, 78, 105),
    (48, 100, 150),
    (105, 70, 110),
    (90, 130, 140),
)
HAIR = ((25, 28, 32), (30, 45, 65), (50, 85, 120), (110, 150, 180), (150, 152, 155))

NECK, PELVIS, HEAD, HEM, TOES, BAG_TOP, BAG_LOW, FACE, CROWN = 17, 18, 19, 20, 21, 23, 24, 25, 26
TOP, LEGS, SKIN, HAIRS, SHOES, BAG = range(6)

# Limbs: two joints, the radius at each against the body height, how round the ends are, colour.
_LIMBS = (
    (11, 13, 0.052, 0.037, 1.0, LEGS),
    (13, 15, 0.037, 0.026, 1.0, LEGS),
    (15, TOES, 0.024, 0.017, 1.0, SHOES),
    (12, 14, 0.052, 0.037, 1.0, LEGS),
    (14, 16, 0.037, 0.026, 1.0, LEGS),
    (16, TOES + 1, 0.024, 0.017, 1.0, SHOES),
    (5, 7, 0.036, 0.029, 1.0, TOP),
    (7, 9, 0.028, 0.021, 1.0, TOP),
    (9, 9, 0.021, 0.021, 1.0, SKIN),
    (6, 8, 0.036, 0.029, 1.0, TOP),
    (8, 10, 0.028, 0.021, 1.0, TOP),
    (10, 10, 0.021, 0.021, 1.0, SKIN),
    (NECK, PELVIS, 0.04, 0.05, 0.35, TOP),
    (PELVIS, HEM, 0.06, 0.066, 0.2, TOP),
    (BAG_TOP, BAG_LOW, 0.062, 0.07, 0.7, BAG),
    (NECK, HEAD, 0.03, 0.028, 1.0, SKIN),
    (HEAD, CROWN, 0.05, 0.05, 1.0, HAIRS),
    (FACE, FACE, 0.042, 0.042, 1.0, SKIN),
)
_A, _B = (np.array([limb[i] for limb in _LIMBS]) for i in (0, 1))
_RADII = np.array([limb[2:4] for limb in _LIMBS])
_ROUND = np.array([limb[4] for limb in _LIMBS])
_COLOUR = [limb[5] for limb in _LIMBS]
_TORSO, _COAT, _BAG, _NECK, _HAIR, _FACE = range(12, 18)
_CAP = np.linspace(0.0, np.pi, 5)


@dataclass(frozen=True, slots=True)
class Clothes:
    """What somebody wears: colours (6, 3) BGR in the order top, legs, skin, hair, shoes, bag.

    coat: how far down to the knees the top reaches, 0 for a short one. bulk: width of the body.
    """

    colours: tuple[Colour, ...]
    coat: float
    bag: bool
    bulk: float

    @staticmethod
    def draw(rng: np.random.Generator) -> "Clothes":
        def pick(choices: tuple[tuple[int, int, int], ...]) -> Colour:
            b, g, r = choices[rng.integers(len(choices))]
            light = rng.uniform(0.8, 1.2)
            return b * light, g * light, r * light

        lists = CLOTHES, CLOTHES[:7], SKINS, HAIR, CLOTHES[:3], CLOTHES
        return Clothes(
            colours=tuple(pick(choices) for choices in lists),
            coat=rng.uniform(0.3, 1.0) if rng.random() < 0.3 else 0.0,
            bag=bool(rng.random() < 0.25),
            bulk=rng.uniform(0.9, 1.2),
        )


def with_ends(keypoints: Points, height: Points, coat: Points) -> Points:
    """Keypoints (N, 17, 3) in own axes and the ten other joints that limbs end at: (N, 27, 3)."""
    joints = np.empty((len(keypoints), 27, 3))
    joints[:, :17] = keypoints
    joints[:, NECK] = neck = keypoints[:, 5:7].mean(axis=1)
    joints[:, PELVIS] = pelvis = keypoints[:, 11:13].mean(axis=1)
    head = 0.35 * keypoints[:, :5].mean(axis=1) + 0.65 * keypoints[:, 3:5].mean(axis=1)
    joints[:, HEAD] = head
    knees = keypoints[:, 13:15].mean(axis=1)
    joints[:, HEM] = pelvis + (knees - pelvis) * coat[:, None]
    tall = height[:, None]
    joints[:, TOES : TOES + 2] = keypoints[:, 15:17] + (
        tall[:, None] * np.array([0.0, -0.02, 0.085])
    )
    back = tall * np.array([0.0, 0.0, -0.07])
    joints[:, BAG_TOP] = neck + (pelvis - neck) * 0.25 + back
    joints[:, BAG_LOW] = neck + (pelvis - neck) * 0.72 + back
    joints[:, FACE] = head + (keypoints[:, 0] - head) * 0.42 + tall * np.array([0.0, 0.0, 0.0])
    joints[:, CROWN] = head + tall * np.array([0.0, 0.022, -0.008])
    return joints


def outlines(flat: Points, unit: Points, bulk: Points, sun_side: float) -> NDArray[np.int32]:
    """Outlines (N, 2, limbs, 10, 2) of limbs, and of their sunlit parts, in 1/16 pixels.

    flat: (N, 27, 2) joints in the image. unit: (N,) body height in pixels.
    """
    a, b = flat[:, _A], flat[:, _B]
    radii = _RADII * unit[:, None, None]
    radii[:, :_NECK] *= bulk[:, None, None]
    across_body = np.abs(flat[:, [5, 11], 0] - flat[:, [6, 12], 0]) / 2
    radii[:, _TORSO] += across_body * 0.92
    radii[:, _COAT] += across_body[:, 1:]
    along = b - a
    length = np.hypot(along[..., 0], along[..., 1])[..., None]
    along = np.where(length > 1e-3, along / np.maximum(length, 1e-3), (0.0, 1.0))
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    result = np.empty((len(flat), 2, len(_LIMBS), 10, 2))
    toward = np.sign(across[..., :1]) * sun_side
    for layer, (shift, share) in enumerate(((0.0, 1.0), (0.3, 0.66))):
        move = across * toward * shift
        for half, (centre, radius, way) in enumerate(
            ((a, radii[..., 0], -1.0), (b, radii[..., 1], 1.0))
        ):
            r = (radius * share)[..., None, None]
            cap = np.cos(_CAP)[:, None] * across[..., None, :] * way + (
                np.sin(_CAP)[:, None] * along[..., None, :] * (way * _ROUND[:, None, None])
            )
            middle = centre + move * radius[..., None]
            result[:, layer, :, 5 * half : 5 * half + 5] = middle[..., None, :] + cap * r
    return (np.clip(result, -2000.0, 3000.0) * 16.0 - 8.0).astype(np.int32)


def paint_body(
    canvas: Canvas,
    code: int,
    outline: NDArray[np.int32],
    depth: Points,
    clothes: Clothes,
    facing: float,
    lit: float,
    detailed: bool,
) -> None:
    """Paint one body.

    outline: (2, limbs, 10, 2) as from `outlines`. depth: (27,) of its joints in metres.
    facing: cosine between where the body and the camera look. lit: 0 in the shade.
    """
    ambient = 0.85 * (1.0 - 0.35 * canvas.sunlight)
    tones = (ambient * 0.85, ambient + 0.75 * canvas.sunlight * lit)
    trunk = depth[NECK] + depth[PELVIS]
    arms: list[tuple[int, ...]] = [(6, 7, 8), (9, 10, 11)]
    legs: list[tuple[int, ...]] = [(0, 1, 2), (3, 4, 5)]
    if not detailed:
        arms, legs = [(6, 7), (9, 10)], [(0, 1), (3, 4)]
    behind = [arm for i, arm in enumerate(arms) if depth[5 + i] + depth[7 + i] >= trunk]
    if depth[13] < depth[14]:
        legs.reverse()
    order = [limb for part in (*behind, *legs) for limb in part]
    order += [_NECK, _TORSO] if facing > 0 else [_TORSO, _NECK]
    if clothes.coat:
        order.append(_COAT)
    if clothes.bag and facing > -0.3:
        order.append(_BAG)
    order += [_HAIR, _FACE] if facing < 0.35 else [_FACE, _HAIR]
    order += [limb for arm in arms if arm not in behind for limb in arm]
    layers = (0, 1) if detailed else (1,)
    for limb in order:
        b, g, r = clothes.colours[_COLOUR[limb]]
        for layer in layers:
            tone = tones[layer] if detailed else 0.5 * (tones[0] + tones[1])
            grown = 0 if not detailed else layer
            canvas.fill(outline[grown, limb], (b * tone, g * tone, r * tone), code)
