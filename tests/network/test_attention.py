from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edge_mtl.errors import UsageError
from edge_mtl.network.attention import CrossTask, SqueezeExcite
from edge_mtl.network.features import Features
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, SegmentationTask, Task

SEGMENTATION = SegmentationTask(name="surface", classes=("road", "grass"))
DETECTION = DetectionTask(classes=("car",), strides=(8, 16))
CLASSIFICATION = ClassificationTask(name="time", classes=("day", "night"))
HEADS = ((4,), (8, 16), ())
CHANNELS = 8


def make_features() -> Features:
    torch.manual_seed(0)
    pyramid = {s: torch.rand(2, CHANNELS, 64 // s, 96 // s) for s in (4, 8, 16, 32)}
    return Features([], pyramid)


def assert_equal(found: dict[int, Tensor], expected: dict[int, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for stride, value in expected.items():
        torch.testing.assert_close(found[stride], value)


def test_squeeze_excite_weights_the_channels_of_what_a_head_reads() -> None:
    features = make_features()
    with torch.inference_mode():
        views = SqueezeExcite(HEADS, CHANNELS)(features)
    assert [set(view.pyramid) for view in views] == [set(strides) for strides in HEADS]
    for view in views:
        for stride, found in view.pyramid.items():
            weights = found / features.pyramid[stride]
            assert weights.min() > 0
            assert weights.max() < 1
            torch.testing.assert_close(
                weights, weights[..., :1, :1].expand_as(weights), rtol=1e-4, atol=1e-4
            )


def test_squeeze_excite_looks_at_the_whole_picture() -> None:
    features = make_features()
    attention = SqueezeExcite(HEADS, CHANNELS)
    with torch.inference_mode():
        before = attention(features)[0].pyramid[4]
        features.pyramid[4][..., 15, 23] = 100.0
        after = attention(features)[0].pyramid[4]
    assert not torch.allclose(before[..., 0, 0], after[..., 0, 0])


def test_without_messages_each_head_has_a_view_of_its_own() -> None:
    """What training starts from."""
    features = make_features()
    attention = CrossTask(HEADS, CHANNELS).eval()
    with torch.inference_mode():
        views = attention(features)
        for own, view in zip(attention.views, views, strict=True):
            assert_equal(view.pyramid, own(features))
    assert not torch.equal(views[1].pyramid[8], features.pyramid[8])


def test_messages_come_from_the_nearest_level_of_the_other_heads() -> None:
    """With each head's view known, messages as they are, and gates half open."""
    features = make_features()
    attention = CrossTask(((4,), (8, 16), (8,)), CHANNELS).eval()
    for view in attention.views:
        view.forward = lambda each: {s: x for s, x in each.pyramid.items() if s != 32}  # type: ignore[assignment, method-assign]
    for name, layer in attention.exchanges.named_modules():
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
            nn.init.dirac_(layer.weight) if "messages" in name else nn.init.zeros_(layer.weight)
    with torch.inference_mode():
        segmentation, detection, third = (view.pyramid for view in attention(features))
    four, eight, sixteen = (features.pyramid[stride] for stride in (4, 8, 16))
    up, down = nn.Upsample(scale_factor=2.0), nn.AvgPool2d(2)
    assert_equal(segmentation, {4: four + 0.5 * (up(eight) + up(eight))})
    assert_equal(
        detection,
        {
            8: eight + 0.5 * (down(four) + eight),
            16: sixteen + 0.5 * (down(down(four)) + down(eight)),
        },
    )
    assert_equal(third, {8: eight + 0.5 * (down(four) + eight)})


@pytest.mark.parametrize(
    ("backbone", "tasks", "attention", "message"),
    [
        ("edgenet-n", (DETECTION, CLASSIFICATION), "cross-task", "of which this model has 1"),
        ("edgenet-n", (CLASSIFICATION,), "squeeze-excite", "of which tiny has none"),
        ("multitask-cnn", (CLASSIFICATION,), "cross-task", "of which tiny has none"),
    ],
)
def test_attention_without_heads_to_attend_to_is_refused(
    backbone: str, tasks: tuple[Task, ...], attention: str, message: str
) -> None:
    spec = ModelSpec(
        name="tiny",
        input=InputSpec(width=96, height=64),
        backbone=backbone,
        attention=attention,  # type: ignore[arg-type]
        tasks=tasks,
    )
    with pytest.raises(UsageError, match=message):
        Network(spec)
