class Clock:
    """A time that a test sets, in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now
