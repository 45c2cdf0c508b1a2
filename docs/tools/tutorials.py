"""Runs the notebooks of docs/tutorials at full length and keeps what they show: `make tutorials`.

A notebook runs in a folder of its own below build/, where a second start finds its runs done.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
MAX_BYTES = 300_000


def execute(notebook: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a fresh run in `folder`.

    Raises:
        CellExecutionError: a cell raised.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        content,
        timeout=1800,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute()


def main() -> None:
    for path in sorted(TUTORIALS.glob("*.ipynb")):
        if sys.argv[1:] and path.stem not in sys.argv[1:]:
            continue
        content = execute(path, ROOT / "build" / "tutorials" / path.stem)
        content.metadata = {
            "kernelspec": content.metadata["kernelspec"],
            "language_info": {"name": "python"},
        }
        for cell in content.cells:  # progress bars go to stderr
            shown = [out for out in cell.get("outputs", ()) if out.get("name") != "stderr"]
            if "outputs" in cell:
                cell.outputs = shown
        nbformat.write(content, path)
        size = path.stat().st_size
        print(f"{path.relative_to(ROOT)}: {size:,} bytes")
        if size > MAX_BYTES:
            raise SystemExit(f"{path} has more than {MAX_BYTES:,} bytes")


if __name__ == "__main__":
    main()
