"""Clients: the tenants of the server."""
