"""Guards of what is spent: how many replicas, how many launches, and how long two instances of one agent are paid."""
