"""Comparing what runs in EC2 under our tags with what the books want: nothing that we made is left without an owner."""
