"""The method: guide texts, exit modules, the ladder of exits, and the encoder that runs it."""
