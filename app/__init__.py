"""The page: what a person sees of the engine."""
