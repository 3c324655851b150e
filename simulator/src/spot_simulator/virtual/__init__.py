"""The product on a virtual clock: its own code in greenlets of one thread, between a pretend network and a region in memory."""
