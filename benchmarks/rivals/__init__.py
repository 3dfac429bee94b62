"""What the kernels are measured against: the same work as others do it.

Each is written for this one shape of network, allocates and prepares once what stays the same, and
gives the same answers as the kernels, which the benchmarks check before they time anything.
"""
