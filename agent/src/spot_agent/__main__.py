"""`python -m spot_agent`."""

import sys

from spot_agent.cli import main

sys.exit(main())
