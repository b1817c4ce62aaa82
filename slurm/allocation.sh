#!/bin/bash
# One SLURM job that does a whole experiment on one node: small runs share its GPUs, and no job waits in
# the queue for its turn. docs/cluster.md says when that is better than a job for every step.
#
#   sbatch slurm/allocation.sh all --configfile experiments/mine.yaml --config device=cuda
#
# What your site calls things, or more of something, comes before the script:
#   sbatch --account lab --partition gpu --gpus 2 slurm/allocation.sh all …
#SBATCH --job-name=thetascope
#SBATCH --nodes=1
#SBATCH --gpus=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=thetascope-%j.log

# a node that dies takes Snakemake with it, which leaves the folder locked
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
  snakemake --unlock "$@"
fi
exec snakemake --cores "$SLURM_CPUS_PER_TASK" "$@"
