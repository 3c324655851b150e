"""What the region decides, as values in and values out: no clock, no I/O."""
