"""Standby instances: placement, launch, readiness, retirement."""
