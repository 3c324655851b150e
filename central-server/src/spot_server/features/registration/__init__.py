"""How an instance becomes known: enrolment tokens, launch nonces, and what is refused."""
