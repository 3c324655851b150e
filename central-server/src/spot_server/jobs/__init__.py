"""The jobs process: one leader by lease, everything periodic."""
