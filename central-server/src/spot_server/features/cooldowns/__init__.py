"""Spot pools that had no capacity: left alone for a while by every agent of every client, and tried again after it."""
