"""Consolidating prices: of all that was seen, one price per pool and five minutes, which charts and training read."""
