"""The root of what may go wrong in a way that a person can mend."""


class EngineError(Exception):
    """Something a person can act on; its text is one sentence: what is wrong with what, and what to do."""


class HostProblem(EngineError):
    """Something that only who keeps the machine can mend; its text may name folders, servers and settings."""
