"""Image sets: adapters, and what turns any of them into arrays on disk."""
