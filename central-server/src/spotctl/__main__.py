"""`python -m spotctl`."""

import sys

from spotctl.cli import process

sys.exit(process())
