"""Saliency maps of both models, maps that need no network, and how maps are scored."""
