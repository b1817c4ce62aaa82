"""Rules block_…: run the scripts of many jobs in this one process."""

import runpy
from types import SimpleNamespace

SCRIPTS = f"{snakemake.scriptdir}/../workflow_scripts"


class Named(list):
    """A list whose items also have names, as Snakemake hands it to scripts."""

    def __init__(self, items, names):
        super().__init__(items)
        self.names = names
        self.__dict__.update(names)

    def items(self):
        """Pairs of name and item."""
        return self.names.items()

    def get(self, name):
        """Item of this name, if any."""
        return self.names.get(name)


for stage, wildcards, *given in snakemake.params.jobs:
    kinds = zip(("input", "output", "params", "log"), given, strict=True)
    job = SimpleNamespace(
        rule=stage,
        wildcards=Named(wildcards.values(), wildcards),
        config=snakemake.config,
        **{kind: Named(*parts) for kind, parts in kinds},
    )
    runpy.run_path(f"{SCRIPTS}/{stage}.py", {"snakemake": job})
