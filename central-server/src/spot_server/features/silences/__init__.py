"""Primaries that fall silent: EC2 is asked about them, and only its word that one goes, or is gone, moves a workload."""
