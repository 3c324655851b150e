"""AWS's Price List API, as far as the on-demand prices of EC2 go."""
