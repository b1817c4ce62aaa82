"""Configuration, and all that runs jobs; nothing here can change a number."""
