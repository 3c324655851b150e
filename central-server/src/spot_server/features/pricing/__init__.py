"""Prices: pools, reports, the staging tier, the on-demand catalogue."""
