"""Errors of the control API: each names the field, the value, and what would be right."""


class Problem(Exception):
    """A request that the control API refuses; answered as ``application/problem+json``."""

    def __init__(self, status: int, title: str, *, field: str | None = None, value: object = None, expected: str = "") -> None:
        """``title`` is a sentence; ``expected`` says what is right."""
        super().__init__(title)
        self.status, self.title, self.field, self.value, self.expected = status, title, field, value, expected
