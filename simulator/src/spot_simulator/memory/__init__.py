"""A region in memory: EC2, instances and traffic on a given clock, one thread, no input or output, all drawn from a seed."""
