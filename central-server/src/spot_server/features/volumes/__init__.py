"""The data volumes of agents whose carry is `volume`: which they are, and what may be done with them."""
