"""AWS as the control role reaches it. boto3 stays inside this package; `errors` and `ports` are plain values."""
