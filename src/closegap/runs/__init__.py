"""Runs: their configs, folders, checkpoints and logs."""
