"""Fitting the risk model on recorded traces, and judging it; `scripts/fit_risk.py` is the command."""
