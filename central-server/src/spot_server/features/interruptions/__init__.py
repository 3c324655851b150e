"""Notices, recommendations and losses."""
