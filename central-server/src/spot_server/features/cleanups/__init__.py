"""What daemons cleaned up by age, and what that means for the images that replicas are launched from."""
