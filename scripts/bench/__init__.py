"""Measures the server under the load of many daemons, each page alone, and one daemon. Run by scripts/bench.sh; docs/performance.md."""
