"""How fast a network is on this machine, how sure that is, and what it was measured with.

`runs.measure` makes a `result.BenchResult`, which `edge-mtl bench --json` writes and
`edge-mtl report` shows.
"""
