#!/usr/bin/env python3
"""notebooks.py OUT NOTEBOOK...: executes notebooks, each from the top in a new kernel, and writes them into the folder
OUT with what they print and draw, without times and other noise. OUT may be the folder that they are in. The kernel is
that of the program $AGAD (build/agad)."""
import os
import subprocess
import sys
import tempfile

import nbformat
from nbclient import NotebookClient

TIMEOUT = 600  # seconds for a cell


def cleaned(notebook):
    """Leaves nothing that differs from one execution to the next, unless what the cells print does."""
    kernel = notebook.metadata.kernelspec
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"display_name": kernel.display_name, "language": "lua", "name": kernel.name},
        "language_info": {"name": "lua", "file_extension": ".lua", "mimetype": "text/x-lua"}})
    for cell in notebook.cells:
        cell.metadata = {}
        outputs = []
        for output in cell.pop("outputs", []):
            if output.output_type != "stream":
                if "metadata" in output:
                    output.metadata = {}
                outputs.append(output)
            elif outputs and outputs[-1].output_type == "stream" and outputs[-1].name == output.name:
                outputs[-1].text += output.text          # how a text is cut is a matter of time
            elif output.text:
                outputs.append(output)
        if cell.cell_type == "code":
            cell.outputs = outputs
    return notebook


def execute(path, out):
    with open(path, encoding="utf-8") as file:
        notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=TIMEOUT, record_timing=False, kernel_name=notebook.metadata.kernelspec.name,
                   resources={"metadata": {"path": os.path.dirname(path) or "."}}).execute()
    text = nbformat.writes(cleaned(notebook)) + "\n"
    target = os.path.join(out, os.path.basename(path))
    with open(target + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(target + ".part", target)
    print(target)


def main(out, paths):
    agad = os.path.abspath(os.environ.get("AGAD", "build/agad"))
    with tempfile.TemporaryDirectory() as prefix:
        subprocess.run([agad, "notebook", "install", "--prefix", prefix, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        os.environ["JUPYTER_PATH"] = os.path.join(prefix, "share", "jupyter")
        for path in paths:
            execute(path, out)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
