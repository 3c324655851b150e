"""The command line `spotctl`: a client of the server's HTTP interface (docs/api/openapi.json) and of nothing else."""
