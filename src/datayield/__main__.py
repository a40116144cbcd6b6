"""Runs `datayield` as `python -m datayield`."""

import sys

from datayield.cli.main import main

sys.exit(main())
