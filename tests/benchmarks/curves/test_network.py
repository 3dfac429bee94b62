"""What is made of the network that ships is still that network."""

from __future__ import annotations

import numpy as np
import pytest
from curves.network import Network, resized, street, with_classes

from edge_mtl.bundle import Bundle


@pytest.fixture(scope="module")
def network() -> Network:
    return Network.shipped(["onnxruntime"], threads=1)


def outputs(network: Network, bundle: Bundle) -> dict[str, np.ndarray]:
    with network.open(bundle) as pipeline:
        pipeline(street())
        return {name: values.astype(int) for name, values in pipeline.engine.outputs.items()}


def test_more_classes_leave_the_others_as_they_are_and_win_nowhere(network: Network) -> None:
    spec = network.bundle.spec
    masks, boxes = spec.segmentations[0], spec.detections[0]
    plain = outputs(network, network.bundle)
    wider = with_classes(with_classes(network.bundle, masks, 30), boxes, 9)
    assert len(wider.spec.segmentations[0].classes) == 30
    found = outputs(network, wider)
    np.testing.assert_array_equal(found["segmentation"][:, :11], plain["segmentation"])
    np.testing.assert_array_equal(
        found["segmentation"].argmax(axis=1), plain["segmentation"].argmax(axis=1)
    )
    np.testing.assert_array_equal(found["detection_scores_8"][:, :4], plain["detection_scores_8"])
    assert found["detection_scores_8"].shape[1] == 9
    assert (found["detection_scores_8"][:, 4:8] < plain["detection_scores_8"]).mean() > 0.5
    np.testing.assert_array_equal(found["lanes"], plain["lanes"])


def test_fewer_classes_are_the_first_ones(network: Network) -> None:
    masks = network.bundle.spec.segmentations[0]
    found = outputs(network, with_classes(network.bundle, masks, 4))
    plain = outputs(network, network.bundle)
    np.testing.assert_array_equal(found["segmentation"], plain["segmentation"][:, :4])


def test_another_input_sees_about_the_same(network: Network) -> None:
    plain = outputs(network, network.bundle)["segmentation"].argmax(axis=1)[0]
    half = resized(network.bundle, (320, 192))
    assert half.manifest.input.shape == (1, 3, 192, 320)
    found = outputs(network, half)["segmentation"].argmax(axis=1)[0]
    assert found.shape == (96, 160)
    assert (found == plain[::2, ::2]).mean() > 0.7
