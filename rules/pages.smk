# Pages that a browser shows; `snakemake --report report.html` puts them and the figures into one file.
#
# inputs   results/tables/…, results/plots/forest.svg
# outputs  results/pages/…


# a second of work: on a cluster they run where Snakemake does, without a wait in the queue for each
localrules:
    verdict_page,
    table_page,


wildcard_constraints:
    table=one_of(READABLE),


rule verdict_page:
    """The verdict in a sentence, a figure, words and numbers."""
    input:
        words="results/tables/verdict.md",
        table="results/tables/verdict.csv",
        forest="results/plots/forest.svg",
    output:
        shown("results/pages/verdict.html", VERDICT, "verdict"),
    log:
        "logs/pages/verdict.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("verdict_page.py"),
    script:
        "../workflow_scripts/verdict_page.py"


rule table_page:
    """A table to read."""
    input:
        "results/tables/{table}.csv",
    output:
        shown("results/pages/{table}.html", NUMBERS, "page"),
    log:
        "logs/pages/{table}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("table_page.py"),
    script:
        "../workflow_scripts/table_page.py"
