"""Where the randomness of a storm comes from."""

import os
import secrets

SEED_VARIABLE = "SPOT_TEST_SEED"
SEEDS_OF_CI = {"sqlite": "20261122", "mariadb": "403547"}
"""What a change is checked with does not depend on a draw: the search for what else fails goes on by hand, with other seeds. One is even
and one is odd, so that with one the control role acts, and with the other the daemons."""


def seed_of_this_run(database_name: str) -> str:
    """Return the seed that a person asked for; else CI's own for this database, or a drawn one."""
    drawn = SEEDS_OF_CI[database_name] if os.environ.get("CI") == "true" else str(secrets.randbelow(10**6))
    return os.environ.get(SEED_VARIABLE) or drawn
