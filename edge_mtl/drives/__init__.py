"""Many recorded drives through one bundle, on one machine or a cluster: `edge-mtl batch`."""
