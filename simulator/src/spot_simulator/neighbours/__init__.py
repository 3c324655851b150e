"""The services beside EC2 over HTTP: load balancing and Route 53."""
