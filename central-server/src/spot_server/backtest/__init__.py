"""Recorded availability of spot pools, and what policies would have made of it."""
