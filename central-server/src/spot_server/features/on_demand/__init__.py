"""What instance types cost on demand: from the Price List API where a client gave a control role, else from a file."""
