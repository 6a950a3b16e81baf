"""Files beside the package that people and tools read: they agree with it and with each other."""

import re
import subprocess
import sys
from pathlib import Path

import docutils.core
import pytest
import yaml

from sknmf_unfold import __version__
from tests.contract.test_requirements import tomllib

ROOT = Path(__file__).parents[2]
# What a name of a tool means in the tests of style.
TOOLS = ["ruff check", "ruff format", "mypy", "lint-imports"]


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def in_repository(name):
    """Parsed content of a YAML file that the source distribution leaves out."""
    path = ROOT / name
    if not path.exists() and not (ROOT / ".git").exists():
        pytest.skip(f"{name} is of the repository alone")
    return yaml.safe_load(path.read_text())


def test_the_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.rst").read_text()
    docutils.core.publish_string(text, writer="null", settings_overrides={"halt_level": 2})
    versions = re.findall(r"^(.*\d+\.\d+\.\d+.*)\n-+$", text, re.MULTILINE)
    assert re.fullmatch(
        rf"Unreleased \({re.escape(__version__)}\)|{re.escape(__version__)} \(.*\)", versions[0]
    )
    assert len(versions) == len(set(versions))


def test_the_citation_agrees_with_the_package(project):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation.keys() >= {"cff-version", "message", "title", "authors", "references"}
    assert citation["title"] == project["name"]
    assert citation["license"] == project["license"].split(" AND ")[0]
    assert str(citation["version"]) == __version__
    assert citation["authors"] == project["authors"]
    assert citation["authors"][0]["name"] in (ROOT / "LICENSE").read_text()
    [paper] = citation["references"]
    names = [author["family-names"] for author in paper["authors"]]
    assert names == ["Wisdom", "Powers", "Pitton", "Atlas"]
    readme = " ".join((ROOT / "README.rst").read_text().split())
    assert paper["title"].lower() in readme.lower()


def test_the_hooks_are_the_tools_of_the_style_tests():
    config = in_repository(".pre-commit-config.yaml")
    [hooks] = [repo["hooks"] for repo in config["repos"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [hook["entry"].removesuffix(" --fix") for hook in hooks] == TOOLS
    # These look at the whole package, whichever files have changed.
    whole = {hook["id"] for hook in hooks if not hook.get("pass_filenames", True)}
    assert whole == {"mypy", "lint-imports"}


def test_the_workflow_calls_the_scripts_of_the_repository():
    jobs = in_repository(".github/workflows/ci.yml")["jobs"].values()
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert sorted(commands) == ["bash .ci/run", "bash .ci/run-oldest"]
    assert all((ROOT / command.split()[1]).is_file() for command in commands)


@pytest.mark.parametrize("constraints", ["constraints.txt", "constraints-oldest.txt"])
def test_the_readme_has_one_test_command_for_the_scripts(constraints):
    # The pattern by which .ci/run finds it.
    pattern = rf" *python -m pip install -c {re.escape(constraints)} .*\[test\].*pytest.*"
    lines = (ROOT / "README.rst").read_text().splitlines()
    assert len([line for line in lines if re.fullmatch(pattern, line)]) == 1


@pytest.mark.parametrize("command", [["-m", "sknmf_unfold"], ["-c", "{}"]])
def test_the_command_tells_its_version(command, project):
    module, function = project["scripts"]["sknmf-unfold"].split(":")
    script = f"from {module} import {function}; {function}()"
    command = [part.format(script) for part in command]
    run = subprocess.run([sys.executable, *command, "--version"], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, f"{__version__}\n"), run.stderr
