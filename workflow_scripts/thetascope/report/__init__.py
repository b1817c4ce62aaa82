"""Figures, pages and the explorer."""
