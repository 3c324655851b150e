"""A notice or a loss in a pool warns the other primaries there, once in a while, without saying whose it was."""
