"""The services beside EC2 over HTTP: load balancing, Route 53, and the price list."""
