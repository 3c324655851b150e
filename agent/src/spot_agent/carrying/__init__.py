"""How the workload's state comes along to another instance."""
