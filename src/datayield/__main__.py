"""`python -m datayield` is `datayield`."""

import sys

from datayield.cli import main

sys.exit(main())
