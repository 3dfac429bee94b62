"""Walking, standing and cycling bodies: 17 COCO keypoints in 3D, for many people at once.

Proportions of the segments to the body height follow Winter, Biomechanics and Motor Control of
Human Movement (2009), figure 4.1; the gait is a one-harmonic simplification of its chapter 5.
Own axes of a body: x to its right, y up, z ahead, metres, the ground at y = 0.
"""

from math import cos, pi, sin

import numpy as np

from edge_mtl.data.rendered.camera import Points

STRIDE = 0.82
"""Length of a whole stride (two steps) against the body height."""
LEFT_RIGHT = np.array([-1.0, 1.0])


def _hang(joint: Points, length: Points, angle: Points) -> Points:
    """Where a segment (N, 2) that hangs from its joint (N, 2, 3) ends; angles forwards."""
    end = joint.copy()
    end[..., 1] -= length * np.cos(angle)
    end[..., 2] += length * np.sin(angle)
    return end


def _head(neck: Points, height: Points, lean: Points) -> Points:
    """Nose, eyes and ears (N, 5, 3) above the middle of the shoulders (N, 3)."""
    offsets = np.array(
        [
            [0.0, 0.1, 0.086],
            [-0.018, 0.12, 0.076],
            [0.018, 0.12, 0.076],
            [-0.043, 0.112, 0.02],
            [0.043, 0.112, 0.02],
        ]
    )
    head = neck[:, None] + offsets * height[:, None, None]
    head[..., 2] += (0.08 * height * np.sin(lean))[:, None]
    return head


def walking(height: Points, phase: Points, energy: Points) -> Points:
    """Keypoints (N, 17, 3) of people on foot.

    height: (N,) metres. phase: (N,) of the stride in radians. energy: (N,) 0 stands, 1 walks.
    """
    h, pace = height[:, None], energy[:, None]
    step = phase[:, None] + np.array([pi, 0.0])
    points = np.zeros((len(height), 17, 3))
    thigh = pace * (0.42 * np.sin(step) + 0.12)
    shin = thigh - pace * (0.16 + 0.85 * np.maximum(0.0, np.cos(step)) ** 2)
    reach = 0.245 * np.cos(thigh) + 0.246 * np.cos(shin)
    hip_height = (reach.max(axis=1) + 0.039) * height
    hips = points[:, 11:13]
    hips[..., 0] = 0.058 * h * LEFT_RIGHT
    hips[..., 1] = hip_height[:, None]
    points[:, 13:15] = _hang(hips, 0.245 * h, thigh)
    points[:, 15:17] = _hang(points[:, 13:15], 0.246 * h, shin)
    lean = 0.05 * energy
    neck = np.zeros((len(height), 3))
    neck[:, 1] = hip_height + 0.288 * height * np.cos(lean)
    neck[:, 2] = 0.288 * height * np.sin(lean)
    shoulders = points[:, 5:7]
    shoulders[:] = neck[:, None]
    shoulders[..., 0] = 0.112 * h * LEFT_RIGHT
    upper = pace * 0.38 * np.sin(step + pi) - 0.05
    points[:, 7:9] = _hang(shoulders, 0.172 * h, upper)
    points[:, 7:9, 0] += 0.02 * h * LEFT_RIGHT
    points[:, 9:11] = _hang(points[:, 7:9], 0.157 * h, upper + 0.17 + 0.3 * pace)
    points[:, :5] = _head(neck, height, lean)
    return points


def riding(height: float, phase: float, saddle: float, bar: Points, crank: Points) -> Points:
    """Keypoints (17, 3) of a cyclist: the hips on the saddle (its height in metres, at z = 0),
    the hands on the `bar`, the feet on the pedals around the `crank`, both (y, z) in metres."""
    h = height
    points = np.zeros((17, 3))
    lean = 0.5
    neck = np.array([0.0, saddle + 0.06 * h + 0.288 * h * cos(lean), 0.288 * h * sin(lean) - 0.05])
    for index, x in enumerate((-1.0, 1.0)):
        hip = np.array([0.055 * h * x, saddle + 0.06 * h, -0.05])
        angle = phase + (pi if index else 0.0)
        foot = np.array(
            [0.06 * x, crank[0] + 0.17 * sin(angle) + 0.06, crank[1] + 0.17 * cos(angle) - 0.03]
        )
        points[11 + index], points[15 + index] = hip, foot
        points[13 + index] = _bent(hip, foot, 0.245 * h, 0.246 * h, np.array([0.0, 0.5, 1.0]))
        shoulder = neck + np.array([0.11 * h * x, 0.0, 0.0])
        hand = np.array([0.25 * x, bar[0] + 0.03, bar[1]])
        points[5 + index], points[9 + index] = shoulder, hand
        away = np.array([0.5 * x, -1.0, -0.4])
        points[7 + index] = _bent(shoulder, hand, 0.172 * h, 0.157 * h, away)
    points[:5] = _head(neck[None], np.array([h]), np.array([lean]))[0]
    return points


def _bent(a: Points, b: Points, upper: float, lower: float, towards: Points) -> Points:
    """The knee or elbow between two ends, bent `towards` a direction."""
    line = b - a
    length = min(float(np.linalg.norm(line)), 0.999 * (upper + lower))
    along = (upper**2 - lower**2 + length**2) / (2 * length)
    line = line / np.linalg.norm(line)
    aside = towards - line * (towards @ line)
    aside /= np.linalg.norm(aside)
    return np.asarray(a + line * along + aside * np.sqrt(max(0.0, upper**2 - along**2)))
