"""What `check` and `record` are made of."""
