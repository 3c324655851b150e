"""Disks and processes of the instances."""
