"""The settings of an agent: what a person saved is what every later read shows and every job obeys."""
