"""Instances that claim to be an agent which lives elsewhere: shown, and let in or turned away by a person."""
