"""How good scenes are, measured against labels: the same for checkpoints and bundles."""
