"""Fronts that clients ask at, where they lead, and the metadata endpoint."""
