"""One module per layout of files; each has a function `load(**options)` that yields items."""
