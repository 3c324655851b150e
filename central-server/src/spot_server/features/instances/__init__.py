"""Instances and their roles: the one role table, and the promotion transaction."""
