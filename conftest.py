"""For every test of the repository: how hypothesis searches."""

import os

from hypothesis import settings

# No deadline per example: the machine may be busy, and slowness is what benchmarks measure. CI repeats the same examples.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("quick", deadline=None, max_examples=15)
settings.load_profile(os.environ.get("SPOT_HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "local"))
