"""Makes weights: the embedded model's recipe, and exits for other models."""
