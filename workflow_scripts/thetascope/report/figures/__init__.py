"""Figures: curves over θ, pictures of maps, training, and gradient orientations."""
