"""From scores per item to tables over θ, tests and a verdict."""
