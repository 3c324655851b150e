"""Scheduled maintenance: taken in from what daemons see, and answered by a planned move before its time, or by telling a person."""
