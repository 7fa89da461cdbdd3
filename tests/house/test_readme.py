"""The numbers in the README and on the model's page are those of the result files."""

import json
import runpy
from pathlib import Path

from rolevec.models.bundled import light_folder

ROOT = Path(__file__).parents[2]


def light_revision():
    config = json.loads((light_folder() / "config.json").read_text(encoding="utf-8"))
    return config["revision"]


def test_the_scores_are_those_of_the_report_of_the_model_in_the_package():
    script = runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))
    report = json.loads(script["REPORT"].read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script["updated"](readme, report) == readme
    assert "<!-- scores -->\n|" in readme

    assert light_revision() in report["model"]


def test_the_page_of_the_model_is_made_from_its_files():
    script = runpy.run_path(str(ROOT / "benchmarks" / "model_card.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()
    for results in ("light-roles.json", "light-triples.json"):
        text = (ROOT / "benchmarks" / "results" / results).read_text(encoding="utf-8")
        assert light_revision() in text, f"{results} is of another model"


def test_the_numbers_of_the_documentation_are_those_of_the_result_files():
    script = runpy.run_path(str(ROOT / "benchmarks" / "pages.py"))
    found = 0
    for page in script["PAGES"]:
        text = page.read_text(encoding="utf-8")
        found += len(script["BETWEEN"].findall(text))
        assert script["updated"](text) == text, f"python benchmarks/pages.py, for {page.name}"
    assert found >= len(script["TABLES"])
