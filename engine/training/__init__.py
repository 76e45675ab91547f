"""Training: feature cache, objective, fitting, and the embedded model's own training."""
