"""Game days: an interruption played against one agent for real, measured, and kept."""
