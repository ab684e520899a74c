"""Runs the code of a notebook from top to bottom without Jupyter, for CI. An exception in a cell ends it.

    python experiments/analysis/run_notebook.py experiments/analysis/explore.ipynb RUN_FOLDER [FIGURES_FOLDER]

It also fails if the notebook was stored with outputs or draws no figure.
"""

import json
import os
import sys
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"
notebook, run = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
os.environ["RUN"] = str(run)
cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
names: dict = {"__name__": "__main__"}
for place, cell in enumerate(cells, 1):
    if cell["outputs"] or cell["execution_count"] is not None:
        sys.exit(f"{notebook}: cell {place} was stored with its outputs; clear them and save")
    exec(compile("".join(cell["source"]), f"{notebook.name} cell {place}", "exec"), names)

import matplotlib.pyplot as plt  # noqa: E402 (the notebook may be the first to import it)

figures = plt.get_fignums()
if not figures:
    sys.exit(f"{notebook}: no figure was drawn")
for number in figures if len(sys.argv) > 3 else []:
    plt.figure(number).savefig(Path(sys.argv[3]) / f"figure-{number}.png", dpi=100)
print(f"{notebook.name}: {len(cells)} cells ran, {len(figures)} figures")
