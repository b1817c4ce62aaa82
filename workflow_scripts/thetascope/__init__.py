"""The library of thetascope: everything the rules call, and three functions for notebooks."""

import lazy_loader

__version__ = "0.1.0"

# imported when first used: jobs and rules need none of it, and it takes a second
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"report.notebook": ["plot_curve", "read_table", "select"]}
)
