"""Follows docs/tutorial.md and makes its pictures: `python -m docs.tutorial FOLDER`.

The folder takes the place of the one above the checkout. A folder in which the study has run is used as it is.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.browser import chrome

DOCS = Path(__file__).resolve().parent
PAGE, PICTURES = DOCS / "tutorial.md", DOCS / "pictures"
FOLDS = {"methods": 0, "classes": 1}
"""Picture → the fold of the report that it shows."""


def commands(page: str) -> Iterator[str]:
    """Yield the commands of the page's blocks, without comments."""
    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL):
        yield from (re.sub(r"\s+#.*", "", line) for line in block.splitlines())


def edited(params: str, page: str) -> str:
    """Return params.yaml with the page's grid in the place of its own."""
    (grid,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    changed, count = re.subn(r"  grid:\n(?:  [- ].*\n)+", grid, params)
    assert count == 1
    return changed


def follow(folder: Path) -> str:
    """Run every command of the page and return what all of them print."""
    page, said, place = PAGE.read_text(encoding="utf-8"), [], DOCS.parent
    places = {"cd ..": folder, "cd tickets-study": folder / "tickets-study"}
    for line in commands(page):
        go, _, command = line.rpartition(" && ")
        place = places.get(go, place)
        if place == DOCS.parent:
            command = command.replace("..", str(folder))
        if go == "cd tickets-study":
            params = place / "params.yaml"
            params.write_text(edited(params.read_text(encoding="utf-8"), page), encoding="utf-8")
        done = subprocess.run(
            ["bash", "-c", f"{command} 2>&1"],
            cwd=place,
            text=True,
            stdout=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        said.append(done.stdout)
    return "\n".join(said)


def take_pictures(folder: Path) -> None:
    """Write the pictures of the page from the report of a folder in which the study has run."""
    report = folder / "tickets-study" / "reports" / "tickets" / "index.html"
    with chrome.page(folder / "browser", 1200, 800) as browser:
        browser.open(report.as_uri())
        browser.wait("How the methods compare")
        browser.picture(PICTURES / "tutorial-first-screen.png")
        for name, fold in FOLDS.items():
            browser.run(
                "{document.querySelectorAll('details').forEach(d => { d.open = false; });"
                f"const fold = document.querySelectorAll('details.group')[{fold}];"
                "fold.open = true; fold.scrollIntoView();}"
            )
            browser.picture(PICTURES / f"tutorial-{name}.png")


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    if not (place / "tickets-study" / "reports").exists():
        place.mkdir(parents=True, exist_ok=True)
        print(follow(place))
    take_pictures(place)
