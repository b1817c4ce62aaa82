# An image that runs the workflow, built with the README's installation:
#   docker build --tag thetascope .
#   docker run --rm --volume "$PWD/results:/thetascope/results" thetascope
# For jobs in a container of their own (`--sdm apptainer`) see envs/thetascope.def.
FROM python:3.11-slim-bookworm
WORKDIR /thetascope
COPY requirements.txt .
RUN python3 -m venv .venv && . .venv/bin/activate && pip install --no-cache-dir -r requirements.txt
COPY . .
ENV PATH="/thetascope/.venv/bin:$PATH"
CMD ["snakemake", "--cores", "8", "all"]
