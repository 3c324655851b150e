"""Reading spot prices from EC2 once for a whole region, where a client gave a control role."""
