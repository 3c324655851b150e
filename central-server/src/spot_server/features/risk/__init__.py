"""How likely a spot pool is to lose an instance: learned from what was lost, beginning with what AWS publishes."""
