"""The columns that tell results apart: one word for one thing, in every table and every module."""

ARM = ["dataset", "view", "encoder", "method"]
# θ of training: `training` says how (fixed, random, none), `angle` the degrees of a fixed one
ANGLES = ["training", "angle", "eval_angle"]
SCORE = ["model", "input", "attribution", "metric"]

# wildcards in the order of the paths of a run and of an evaluation
RUN_WILDCARDS = [*ARM, "angle", "seed"]
