import numpy as np

from edge_mtl.data.chance import happens, log_uniform


def test_what_cannot_happen_takes_no_random_number():
    rng = np.random.default_rng(0)
    assert not any(happens(0.0, rng) for _ in range(100))
    assert rng.random() == np.random.default_rng(0).random()
    assert all(happens(1.0, rng) for _ in range(100))
    assert 400 < sum(happens(0.5, rng) for _ in range(1000)) < 600


def test_factors_and_their_inverses_are_equally_likely():
    rng = np.random.default_rng(0)
    factors = np.array([log_uniform((0.25, 4.0), rng) for _ in range(2000)])
    assert factors.min() >= 0.25
    assert factors.max() <= 4.0
    assert abs(np.log(factors).mean()) < 0.06
