"""The EC2 API in front of moto."""
