"""Checkpoints of other projects become weights of this program."""
