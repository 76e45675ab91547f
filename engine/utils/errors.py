"""Base classes of errors whose text tells a person what to do."""


class EngineError(Exception):
    """An error that a person can act on; its text is one sentence: what is wrong with what, and what to do."""


class HostProblem(EngineError):
    """An error that only the machine's administrator can mend; its text may name folders, servers and settings."""
