"""How fast prices are read, consolidated, deleted and taken in, with as many of them as half a year brings: `scripts/bench.sh prices`."""
