"""A simulated AWS region with real workloads."""
