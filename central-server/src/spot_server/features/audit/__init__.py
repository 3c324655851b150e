"""Who changed what, when, why, before and after."""
