"""The one error that is the user's to fix."""


class UserError(ValueError):
    """A mistake in the configuration or in input data; the message says what to change."""
