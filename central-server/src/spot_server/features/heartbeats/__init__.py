"""Heartbeats, and what silence means: offline, never more."""
