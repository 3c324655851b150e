"""The durations and bounds that decisions rest on, as one frozen value, so that rules and tests name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class MovePolicy:
    """How long each part of a move may take, and when a daemon counts as reachable. Real defaults; a demo compresses them and says so."""

    daemon_fresh_seconds: float = 75.0
    """A daemon heard from within this is given work. Two heartbeats of 30 s and a margin."""

    image_bound_seconds: float = 1200.0
    """CreateImage to available. Images of root volumes take 2-8 minutes; large ones longer."""

    first_image_seconds: float = 60.0
    """After the registration of an agent's first instance, before its first image is made in the background: it starts meanwhile."""

    launch_bound_seconds: float = 120.0
    """RunInstances asked for, to its answer recorded."""

    boot_bound_seconds: float = 900.0
    """Instance launched, to its standby check passed."""

    check_bound_seconds: float = 60.0
    quiesce_bound_seconds: float = 30.0
    copy_bound_seconds: float = 3600.0
    """The first pass of the rsync carry, while the old primary serves."""

    sync_bound_seconds: float = 300.0
    """The last pass, while nobody serves."""

    sync_session_seconds: float = 14_400.0
    """After this the keys and the receiver of a move are gone, whatever became of it: more than all its bounds together."""

    image_flush_seconds: float = 120.0
    """What was last changed this long before an image was begun is whole in it. The kernel writes back what is older than 30 s."""

    volume_bound_seconds: float = 60.0
    """Each of detaching, attaching, mounting and unmounting the data volumes of the carry `volume`. EC2 usually takes seconds."""

    volume_copy_bound_seconds: float = 7200.0
    """Snapshots of the data volumes, and new volumes of them, for a move to another AZ."""

    assumed_snapshot_mib_per_second: float = 64.0
    """What a person is told of a copy before the agent's first one was measured. An assumption: AWS promises no rate."""

    traffic_bound_seconds: float = 120.0
    confirm_bound_seconds: float = 120.0
    """One question whether a handle leads to the new side: a load balancer's health checks, or Route 53's servers, take up to a minute."""

    confirm_alarm_seconds: float = 300.0
    """After a move is complete, before a person hears that a handle does not lead to the new side."""

    start_bound_seconds: float = 120.0
    unheard_start_seconds: float = 300.0
    """After a new side that holds state of its own was told to serve: how long its daemon may be silent before the move is taken back. It
    may serve meanwhile, and what it acknowledges would be lost; a server, a daemon or a host that restarts is back by then."""

    terminate_bound_seconds: float = 600.0

    command_margin_seconds: float = 30.0
    """Added to a bound for the way there and back, before the server gives a command up."""

    fence_poll_seconds: float = 2.0
    """Between two looks at EC2's word about the old instance."""

    fence_patience_seconds: float = 15.0
    """After the time that a notice named, before we terminate the old instance ourselves."""

    fence_alarm_seconds: float = 120.0
    """After the time that a notice named (or the first look), before a person hears that the old instance has not ended."""

    notice_outlived_seconds: float = 120.0
    """How long after the time that a notice named its instance must still be heard, until the notice counts for nothing any more. EC2
    begins to shut an instance down at about the named time; a daemon may go on for as long as the system takes to stop."""

    notice_margin_seconds: float = 10.0
    """All of a handover under a notice should be over this long before the named time (design, section 5)."""

    parting_seconds: float = 3.0
    """Before the time that a notice named: an old instance whose replica still boots is asked to stop its workload then, and to say so.
    The look that finds it due comes within 1 s, and the answer took 0.4 s at most (QUIESCE in the simulated region, without faults); the
    rest is the workload's to stop in. 0: never."""

    parting_launch_seconds: float = 20.0
    """Before the time that a notice named. A replica that was launched later is not ready before EC2 says `terminated`: it takes 40 s at
    least to run and boot, the old instance 20 s at most to shut down (the simulated region's delays: estimates, not measured in AWS)."""

    resume_pause_seconds: float = 60.0
    """Before a rescue that gave up is looked at again, and between two such looks."""

    longest_resume_pause_seconds: float = 900.0
    """The pause doubles with each further rescue that fails, up to this: each tries every place, and asks EC2 for each."""

    max_attempts: int = 3
    """Of one step, for failures that may pass (throttled, race, unreachable)."""

    max_launch_attempts: int = 200
    """Of one replica, over all places, before a person is told that none can be had. A place that refuses is not asked again for
    the replica, and there are twice as many as types times zones, those on demand last: the bound must not come before them."""

    spending_replica_count: int = 5
    """Of one agent, beside its primary. With manual replica mode it has one, a move makes one, and recommendations some."""

    spending_launches_per_hour: int = 20
    """Instances of one agent. What EC2 refuses costs nothing and does not count."""

    release_wait_seconds: float = 300.0
    """How long a deleted agent's daemon has to clean up and say so."""

    rebalance_hold_seconds: float = 1800.0
    """What a new agent starts with: how long the replica that a recommendation made is kept. A person may change it per agent."""

    on_demand_usd_per_hour: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    """What is known of on-demand prices, by (instance type, region): the cheapest is taken first, one that is not known last."""
