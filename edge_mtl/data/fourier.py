"""Light and colours of one picture mixed into another, by the amplitudes of its spectrum."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_SMALL = 56, 40  # columns, rows of the pictures whose spectra are mixed


def mix_amplitudes(
    image: NDArray[np.uint8], style: NDArray[np.uint8], cycles: int, share: float
) -> NDArray[np.uint8]:
    """A picture (H, W, 3) whose low frequencies have amplitudes of `style` and phases of its own.

    This is FDA (Yang & Soatto, 2020, arXiv:2004.05498, eq. 3) with the mix of amplitudes of FACT
    (Xu et al., 2021, arXiv:2105.14383, eq. 6): where things are lies in the phases and stays, how
    a camera, an hour or a season looks lies in the amplitudes. Only the lowest frequencies change,
    so what changes is smooth: it is found in small pictures, and added.

    style: of any size.
    cycles: the highest frequency that changes, in cycles a picture either way, below 20; FDA's
        beta times the picture's smaller side. 0 changes the mean colour alone; more than a few
        leave ghosts of the style's shapes.
    share: of the style's amplitudes in the mix, from 0 (nothing changes) to 1.
    """
    own, other = (_spectrum(picture) for picture in (image, style))
    # Rows of negative frequencies are the last ones; of columns there are only the others.
    low = np.arange(-cycles, cycles + 1)[:, None], np.arange(cycles + 1)
    amplitude = np.abs(own[low])
    wanted = amplitude + share * (np.abs(other[low]) - amplitude)
    change = np.zeros_like(own)
    change[low] = own[low] * (wanted / np.maximum(amplitude, 1e-6) - 1.0)
    field = np.fft.irfft2(change, _SMALL[::-1], axes=(0, 1), norm="forward")
    # Smooth as the field is, half a grey level of rounding does not show.
    coarse = field.round().astype(np.int16)
    added = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    made: NDArray[np.uint8] = cv2.add(image, added, dtype=cv2.CV_8U)
    return made


def _spectrum(picture: NDArray[np.uint8]) -> NDArray[np.complex128]:
    small = cv2.resize(picture, _SMALL, interpolation=cv2.INTER_AREA)
    spectrum: NDArray[np.complex128] = np.fft.rfft2(small, axes=(0, 1), norm="forward")
    return spectrum
