"""The compose files are what the Compose specification allows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "containers"
FILES = sorted(FOLDER.glob("*.yaml"))


def services(file):
    return yaml.safe_load(file.read_text(encoding="utf-8"))["services"]


def test_all_follow_the_specification():
    schema = ["--builtin-schema", "vendor.compose-spec"]
    command = [sys.executable, "-m", "check_jsonschema", *schema, *map(str, FILES)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(FILES) == 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_names_lead_somewhere(file):
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for service in content["services"].values():
        for volume in service.get("volumes", []):
            source = volume.rsplit(":", 2 if volume.endswith(":ro") else 1)[0]
            named = re.fullmatch(r"[a-z0-9-]+", source)
            assert not named or source in content["volumes"]
        assert set(service.get("networks", [])) <= set(content.get("networks", {}))
        assert set(service.get("depends_on", {})) <= set(content["services"])
        if build := service.get("build"):
            assert (file.parent / build["context"] / build["dockerfile"]).is_file()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_is_reachable_from_elsewhere_or_of_any_version(file):
    for service in services(file).values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert "build" in service or re.search(r":v?\d+\.\d+", service["image"])
        assert service["restart"] == "unless-stopped"


def test_the_cluster_finds_itself():
    nodes = services(FOLDER / "qdrant-cluster.yaml")
    assert len(nodes) == 3
    first = next(iter(nodes))
    for name, node in nodes.items():
        command = node["command"]
        assert command[command.index("--uri") + 1] == f"http://{name}:6335"
        assert ("--bootstrap" in command) is (name != first)
        if name != first:
            assert command[command.index("--bootstrap") + 1] == f"http://{first}:6335"
        assert node["environment"]["QDRANT__CLUSTER__ENABLED"] == "true"
    assert len({port for node in nodes.values() for port in node["ports"]}) == 3
    assert len({volume for node in nodes.values() for volume in node["volumes"]}) == 3


def test_ray_reports_nothing_and_lets_nobody_in():
    nodes = services(FOLDER / "ray.yaml")
    for node in nodes.values():
        assert node["environment"]["RAY_AUTH_MODE"] == "token"
        assert node["environment"]["RAY_AUTH_TOKEN"].startswith("${RAY_AUTH_TOKEN:?")
        assert node["environment"]["RAY_USAGE_STATS_ENABLED"] == "0"
        assert "ports" not in node
    assert "--head" in nodes["head"]["command"]
    assert "--address=head:6379" in nodes["worker"]["command"]
