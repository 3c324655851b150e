"""What people wish for in a run."""

from __future__ import annotations

from collections.abc import Callable

from spot_server.words import ReplicaStatus, SwitchStatus
from spot_simulator.machine import Machine
from spot_simulator.virtual.fleet import Fleet, Member
from spot_simulator.virtual.schedule import IS_ELSEWHERE, Event, Kind

LOOK_SECONDS = 20.0
"""Between two looks at a move, or a standby, that is waited for."""
LONGEST_WAIT_SECONDS = 1500.0
"""After that nobody waits for a move, or a standby, any more."""


class People:
    """Wishes at the API, each in a task of its own; what the server refuses ends it."""

    def __init__(self, fleet: Fleet, find_primary: Callable[[Member], Machine | None]) -> None:
        """Act on this fleet; `find_primary` gives the instance that serves for an agent."""
        self._fleet, self._operator, self._find_primary = fleet, fleet.operator, find_primary
        self.by_kind: dict[Kind, Callable[[Event, Member], None]] = {
            Kind.SWITCH: self._switch,
            Kind.SWITCH_AND_CANCEL: self._switch,
            Kind.SWITCH_AND_ROLL_BACK: self._switch_and_roll_back,
            Kind.CANCEL: self._cancel,
            Kind.STANDBY_AND_PROMOTE: self._standby_and_promote,
            Kind.KEEP_STANDBY: self._keep_standby,
        }

    def _switch(self, event: Event, member: Member) -> None:
        cancel_after_seconds = event.facts.get("cancel_after_seconds")
        target = self._target(event, member)

        def act() -> None:
            agent_id = self._fleet.agent_id(member)
            switch_id = self._ask_for_switch(agent_id, target)
            if cancel_after_seconds is not None:
                self._operator.sleep(float(cancel_after_seconds))
                self._operator.post(f"/agents/{agent_id}/switches/{switch_id}/cancel", {})

        self._operator.begin(act)

    def _target(self, event: Event, member: Member) -> dict[str, str]:
        target = {"mode": "on_demand" if event.facts["on_demand"] else "spot"}
        machine = self._find_primary(member) if event.facts.get(IS_ELSEWHERE) else None
        if machine is not None:
            target["az_id"] = next(az_id for az_id in self._fleet.region.books.az_ids().values() if az_id != machine.az_id)
        return target

    def _ask_for_switch(self, agent_id: str, target: dict[str, str]) -> str:
        body = {"request_id": self._operator.new_request_id(), "target": target}
        switch_id = str(self._operator.post(f"/agents/{agent_id}/switch", body)["switch_id"])
        self._operator.acknowledge("switch", switch_id)
        return switch_id

    def _switch_and_roll_back(self, event: Event, member: Member) -> None:
        """Go back as soon as the move is complete, while the old instance waits for its retirement."""
        target = self._target(event, member)

        def act() -> None:
            agent_id = self._fleet.agent_id(member)
            switch_id = self._ask_for_switch(agent_id, target)
            if self._wait_for_end(agent_id, switch_id) != SwitchStatus.COMPLETED:
                return
            body = {"request_id": self._operator.new_request_id(), "accept_data_loss": True, "accept_differences": True}
            back_id = self._operator.post(f"/agents/{agent_id}/switches/{switch_id}/rollback", body)["switch_id"]
            self._operator.acknowledge("switch", back_id)

        self._operator.begin(act)

    def _wait_for_end(self, agent_id: str, switch_id: str) -> str:
        """Return how a move ended, or what it is when nobody waits for it any longer."""
        waited_seconds = 0.0
        while True:
            status = str(self._operator.get(f"/agents/{agent_id}/switches/{switch_id}")["status"])
            if status not in _UNDER_WAY or waited_seconds >= LONGEST_WAIT_SECONDS:
                return status
            self._operator.sleep(LOOK_SECONDS)
            waited_seconds += LOOK_SECONDS

    def _cancel(self, _event: Event, member: Member) -> None:
        """Cancel what is under way."""

        def act() -> None:
            agent_id = self._fleet.agent_id(member)
            for switch in self._operator.get("/switch-history")["items"]:
                if switch["agent_id"] == agent_id and switch["status"] in _UNDER_WAY:
                    self._operator.post(f"/agents/{agent_id}/switches/{switch['switch_id']}/cancel", {})
                    return

        self._operator.begin(act)

    def _standby_and_promote(self, event: Event, member: Member) -> None:
        operator = self._operator

        def act() -> None:
            agent_id = self._fleet.agent_id(member)
            replica_id = operator.post(f"/agents/{agent_id}/replicas", {"request_id": operator.new_request_id()})["replica_id"]
            operator.acknowledge("replica", replica_id)
            operator.sleep(float(event.facts["promote_after_seconds"]))
            if event.facts.get("when_ready"):
                self._wait_for_replica(replica_id)
            body = {"request_id": operator.new_request_id(), "accept_data_loss": True}
            switch_id = operator.post(f"/agents/{agent_id}/replicas/{replica_id}/promote", body)["switch_id"]
            operator.acknowledge("switch", switch_id)

        operator.begin(act)

    def _wait_for_replica(self, replica_id: str) -> None:
        """Wait until a standby is ready, or nobody waits for it any longer."""
        waited_seconds = 0.0
        while waited_seconds < LONGEST_WAIT_SECONDS:
            found = [one for one in self._operator.get("/replicas")["items"] if one["replica_id"] == replica_id]
            if not found or found[0]["status"] not in _BEFORE_READY:
                return
            self._operator.sleep(LOOK_SECONDS)
            waited_seconds += LOOK_SECONDS

    def _keep_standby(self, _event: Event, member: Member) -> None:
        operator = self._operator

        def act() -> None:
            body = {"request_id": operator.new_request_id(), "manual_replica_enabled": True, "replica_count": 1}
            operator.post(f"/agents/{self._fleet.agent_id(member)}/config", body)

        operator.begin(act)


_BEFORE_READY = frozenset({ReplicaStatus.LAUNCHING, ReplicaStatus.SYNCING})
_UNDER_WAY = frozenset({SwitchStatus.RUNNING, SwitchStatus.ROLLING_BACK})
