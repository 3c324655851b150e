"""Moves of a workload: one saga of recorded steps, with undo."""
