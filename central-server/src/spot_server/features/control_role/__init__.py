"""The acts that the server itself carries out in a client's account, with the role that the client gave it."""
