"""Rule oscillation_tables: dice_per_item.parquet → oscillation, levels, peaks."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from collections import defaultdict
from itertools import chain

from thetascope.analysis import inference, oscillation
from thetascope.analysis.curves import curves, joined
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    analysis = Analysis(**snakemake.params.analysis)
    periods, confidence = analysis.periods, analysis.confidence
    discs = [name for name, view in snakemake.params.views.items() if view["canvas"] == "disc"]
    found = defaultdict(list)
    # of no kind, then of one after the other: all would fill the memory
    for scores in chain([[]], ([one] for one in read_scores(snakemake.input[0]))):
        of_kind = list(curves(scores))
        tests = inference.period_tests(of_kind, periods, analysis.tests, discs)
        waves = oscillation.oscillation_table(of_kind, periods, confidence)
        found["oscillation"].append(waves.merge(tests, validate="1:1"))
        found["levels"].append(oscillation.levels_table(of_kind, periods, confidence))
        found["peaks"].append(oscillation.peaks_table(of_kind, tests, analysis.level))
    tables = {name: joined(of_kinds) for name, of_kinds in found.items()}
    tables["oscillation"] = inference.false_discovery(tables["oscillation"], analysis.questions)
    for name, table in tables.items():
        write_table(table, snakemake.output[name][0], record(snakemake))
