"""Execute the notebooks and keep what they print and draw, without what changes from run to run.

pip install 'rolevec[all,notebooks]'
python examples/notebooks/execute.py [NAME …]
"""

import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).parent
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
KEPT = ("text/plain", "image/png", "text/html")


def executed(path: Path) -> NotebookNode:
    """A notebook with the outputs of today, run in its own folder."""
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    return tidied(notebook)


def tidied(notebook: NotebookNode) -> NotebookNode:
    """Without times, random ids, warnings and progress bars."""
    notebook.metadata = {"language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        cell.outputs = [o for o in map(_tidy, cell.outputs) if o is not None]
    return notebook


def _tidy(output: NotebookNode) -> NotebookNode | None:
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    if "execution_count" in output:
        output.execution_count = None
    output.metadata = {}
    data = {kind: value for kind, value in output.data.items() if kind in KEPT}
    if "image/png" in data:
        data.pop("text/plain", None)  # the address of the figure
    output.data = NotebookNode(data)
    return output


def shown(notebook: NotebookNode) -> list[tuple[list[str], list[float], int]]:
    """For every cell of code: its words, the numbers among them, and how many pictures."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        text = "".join(_text(output) for output in cell.outputs)
        pictures = sum("image/png" in output.get("data", {}) for output in cell.outputs)
        numbers = [float(found) for found in NUMBER.findall(text)]
        cells.append((NUMBER.split(text), numbers, pictures))
    return cells


def _text(output: NotebookNode) -> str:
    return str(output.get("text") or output.get("data", {}).get("text/plain", ""))


if __name__ == "__main__":
    names = sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.ipynb"))
    for name in names:
        file = HERE / f"{Path(name).stem}.ipynb"
        nbformat.write(executed(file), file)
        print(file.name)
