"""Files for those who use the project elsewhere say what README.md and tests/run say."""

import re
import shlex
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_what_is_checked_before_a_commit_is_what_is_checked_everywhere():
    """But for the documentation site and the tests, which take longer than a commit may."""
    script = (ROOT / "tests/run").read_text("utf-8")
    lines = [shlex.split(line, comments=True) for line in script.splitlines()]
    checks = [line for line in lines[lines.index(["cd", "$(dirname $0)/.."]) + 1 :] if line]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    entries = [shlex.split(hook["entry"]) for repo in hooks for hook in repo["hooks"]]
    assert entries == [line for line in checks if line[0] not in ("sphinx-build", "pytest")]
    assert len(entries) > 5


def test_the_image_is_installed_and_run_as_the_readme_says():
    docker = (ROOT / "Dockerfile").read_text("utf-8")
    first = re.search(r"^python3 -m venv .* && (snakemake .*)$", README, re.M)
    installed = re.search(r"^RUN (.*)$", docker, re.M)[1].replace(" --no-cache-dir", "")
    assert first[0] == f"{installed} && {first[1]}"
    assert f"CMD {first[1].split()}".replace("'", '"') in docker


def test_public_ci_runs_the_same():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))
    assert workflow["jobs"]["tests"]["steps"][-1] == {"run": ".ci/run"}


def test_forms_for_issues_are_complete():
    forms = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 3
    for path in forms:
        form = yaml.safe_load(path.read_text("utf-8"))
        assert form["name"] and form["description"]
        assert all(part["attributes"]["label"] for part in form["body"])
