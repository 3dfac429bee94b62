import numpy as np
import pytest

from edge_mtl.data.poly2d import CURVE_STEPS, Path2d


def test_lines_are_their_vertices():
    path = Path2d([(0, 0), (10, 0), (10, 5)], "LLL", closed=True)
    assert path.points().tolist() == [[0, 0], [10, 0], [10, 5]]


def test_a_curve_ends_at_its_third_vertex_and_bends_to_the_others():
    # Control points on the corners of a square make nearly a quarter of a circle.
    k = 4 / 3 * (np.sqrt(2) - 1)
    path = Path2d([(1, 0), (1, k), (k, 1), (0, 1), (-1, 1)], "LCCCL", closed=False)
    points = path.points()
    assert len(points) == 1 + CURVE_STEPS + 1
    np.testing.assert_allclose(np.hypot(*points[:-1].T), 1.0, atol=3e-4)
    assert points[[0, -2, -1]].tolist() == [[1, 0], [0, 1], [-1, 1]]


@pytest.mark.parametrize(
    ("types", "message"),
    [("LL", "a type for each of 3"), ("LCC", "curves of three C, found 'LCC'")],
)
def test_a_path_that_contradicts_itself_is_an_error(types, message):
    with pytest.raises(ValueError, match=message):
        Path2d([(0, 0), (1, 1), (2, 2)], types, closed=False).points()


def test_a_path_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="path of vertices, found none"):
        Path2d([], "", closed=True).points()
