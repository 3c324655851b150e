"""Agents: the managed workloads, their registration, settings, heartbeats and deletion."""
