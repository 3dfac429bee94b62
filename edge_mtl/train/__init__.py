"""Training: losses, target assignment, the loop."""
