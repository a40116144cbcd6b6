"""Puts the repository's own dvc.yaml, flows and prefect.yaml beside the package that is built.

`datayield init` copies them into a project's folder, so that there is one source of each
(docs/adr/0015-own-project-folders.md). Everything else is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
COPIED = ("dvc.yaml", "prefect.yaml", "flows/*.py", ".gitignore")


class BuildWithSkeleton(build_py):
    """As build_py, with the folder `skeleton`."""

    def run(self) -> None:
        """Copy after the package itself; an editable install reads the repository."""
        super().run()
        if self.editable_mode:
            return
        for pattern in COPIED:
            for path in sorted(HERE.glob(pattern)):
                target = Path(self.build_lib, "datayield", "skeleton", path.relative_to(HERE))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


setup(cmdclass={"build_py": BuildWithSkeleton})
