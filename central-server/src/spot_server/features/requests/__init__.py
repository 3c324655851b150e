"""What people asked for under a request_id: the same request again is answered and not done again, another one is refused."""
