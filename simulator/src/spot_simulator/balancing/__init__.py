"""Load balancing: target groups whose targets are really asked for their health."""
