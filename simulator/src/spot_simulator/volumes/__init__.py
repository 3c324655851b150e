"""EBS volumes: both forms of the region answer with the same code."""
