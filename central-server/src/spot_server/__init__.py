"""The central control plane."""
