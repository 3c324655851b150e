"""Workloads that stand still with no move to look after them: told to serve, or rescued once more."""
