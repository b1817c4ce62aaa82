"""The columns that tell results apart: one word for one thing, in every table and every module."""

ARM = ["dataset", "view", "encoder", "method"]
# θ of training: `training` says how (fixed, random, none), `angle` the degrees of a fixed one
ANGLES = ["training", "angle", "eval_angle"]
SCORE = ["model", "input", "attribution", "metric"]
# attributions of a network: the map of a picture, and the mean map of other cases
ATTRIBUTION, OTHERS = "smoothgrad", "others"
# attributions that are no maps: how alike features are to those of another encoder
SIMILARITIES = ("similarity_backbone", "similarity_zero")
# of these every encoder has a part in the values of several angles or seeds
OF_OTHER_SEEDS = "similarity_replicate"
SHARED = ("similarity_quarter", OF_OTHER_SEEDS)

# wildcards in the order of the paths of a run and of an evaluation
RUN_WILDCARDS = [*ARM, "angle", "seed"]
