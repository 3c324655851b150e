"""The HTTP side: the application, who may call, what is refused and how."""
