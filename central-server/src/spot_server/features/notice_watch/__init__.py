"""The server's own look at EC2 for notices, where a client gave it a control role."""
