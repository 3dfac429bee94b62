"""What must not become slower, told by figures that stand still on a busy machine.

`instructions`: how many instructions every kernel takes, counted by callgrind, against those of the
kernels that were kept last. `ratios`: two ways to do the same in turn, by the time that the
processor spends on each, against a bound.
"""
