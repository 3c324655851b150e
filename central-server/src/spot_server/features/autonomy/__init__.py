"""What daemons may do while the server is away, and what the server does about it: plans, and the claims made under them."""
