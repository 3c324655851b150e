"""How busy agents are by the hour of the week, learned from what their heartbeats say: when a move disturbs least."""
