"""Instances that moves left and nothing ends: shown with what they cost, and ended when a person says so."""
