"""Elastic IPs and the metadata endpoint."""
