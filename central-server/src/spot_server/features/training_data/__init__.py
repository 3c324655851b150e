"""Giving out consolidated prices as a file, for training and for whoever wants to look at them elsewhere."""
