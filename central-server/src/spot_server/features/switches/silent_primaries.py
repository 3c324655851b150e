"""Moving off a PRIMARY whose daemon is silent: refused at once, or with a person's word behind the end of its instance."""

from __future__ import annotations

from datetime import datetime, timedelta

from spot_server.db.runner import Transaction
from spot_server.errors import MoveRefused
from spot_server.features.agents.queries import Agent
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign
from spot_server.features.instances.queries import Instance
from spot_server.features.switches.silent_fences import why_not_ended
from spot_server.words import Mode


def silent_since(tx: Transaction, primary: Instance) -> datetime | None:
    """Return when a PRIMARY was heard last that is not heard any more; None: it is heard."""
    is_heard = primary.last_heartbeat_at >= tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds)
    return None if is_heard else primary.last_heartbeat_at


def require_heard(tx: Transaction, primary: Instance) -> None:
    """Raise MoveRefused, with what can be done, for a PRIMARY that cannot be asked to stop the workload."""
    since = silent_since(tx, primary)
    if since is not None:
        raise MoveRefused(
            f"{_is_silent(primary, since)}. Restart its daemon, or the instance; or promote a replica with `force` and `accept_data_loss`: "
            f"{primary.instance_id} is then {_ended_by(primary)} by EC2 before the replica serves",
            primary_silent_since=since.isoformat(),
        )


def require_end(tx: Transaction, agent: Agent, primary: Instance, since: datetime, *, is_accepted: bool) -> None:
    """Raise MoveRefused for a promotion off a silent PRIMARY that a person did not accept in full, or whose instance nobody may end."""
    what = f"{_is_silent(primary, since)}: {primary.instance_id} would be {_ended_by(primary)} by EC2 before the replica serves"
    kept = why_not_ended(agent, primary)
    if not kept and assign(tx, agent, Act.STOP if primary.mode is Mode.ON_DEMAND else Act.TERMINATE, primary.instance_id) is None:
        kept = "there is no control role that works, and no other daemon of the agent is heard"
    if kept:
        raise MoveRefused(
            f"{what}, and that may not be: {kept}. Restart its daemon, or end {primary.instance_id} in EC2: it is rescued then",
            primary_silent_since=since.isoformat(),
        )
    if not is_accepted:
        raise MoveRefused(
            f"{what}, with what only it holds; say `force` and `accept_data_loss` to go on, or restart its daemon",
            primary_silent_since=since.isoformat(),
        )


def _is_silent(primary: Instance, since: datetime) -> str:
    at = since.isoformat(timespec="seconds")
    return f"the daemon of {primary.instance_id}, the primary, has been silent since {at}, and cannot be asked to stop the workload"


def _ended_by(primary: Instance) -> str:
    return "stopped" if primary.mode is Mode.ON_DEMAND else "terminated"
