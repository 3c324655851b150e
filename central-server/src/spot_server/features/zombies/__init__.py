"""Instances of all clients that no longer belong to their agent and still exist: listed for admins, and ended in bulk."""
