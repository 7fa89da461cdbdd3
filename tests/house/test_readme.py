"""The README's numbers are those of the result files."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_scores_are_those_of_the_report_of_the_model_in_the_package():
    script = runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))
    report = json.loads(script["REPORT"].read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script["updated"](readme, report) == readme
    assert "<!-- scores -->\n|" in readme

    from rolevec.models.bundled import light_folder

    config = json.loads((light_folder() / "config.json").read_text(encoding="utf-8"))
    assert config["revision"] in report["model"]
