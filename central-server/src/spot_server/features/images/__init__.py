"""Warm images: what an emergency launches from, made in the background before it is needed."""
