"""The library of thetascope: everything the rules call."""

__version__ = "0.1.0"
