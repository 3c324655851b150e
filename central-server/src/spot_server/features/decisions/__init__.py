"""Decisions: models are asked about every agent, what they say is recorded, and the acting model's word is acted on."""
