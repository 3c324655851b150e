"""The demo: a whole day of workloads on spot, on one machine, with real processes in the simulated region."""
