"""The savings account: what was paid, hour by hour, against on demand for the same time, each figure down to its prices."""
