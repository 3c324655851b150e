"""The cleanup thread: old images and snapshots of this agent, and a report of what went."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from spot_agent import metrics
from spot_agent.clock import Clock
from spot_agent.ec2_facts import ImageFacts
from spot_agent.errors import Ec2Failed, ServerFailed
from spot_agent.journal import Journal
from spot_agent.journal_contents import UnsentReport
from spot_agent.link import Link, Reports
from spot_agent.model import Identity, Role
from spot_agent.outcomes import Did, Failed, Idle, Outcome
from spot_agent.ports import CentralApi, Ec2
from spot_agent.rules.cleanup import AgeLimits, CleanupPlan, Needed, plan_cleanup
from spot_agent.rules.config import effective_settings
from spot_agent.rules.ownership import tags_of_agent
from spot_agent.settings import Settings
from spot_agent.timestamps import to_wire
from spot_agent.wire import cached_config

RETRY_UNTIL_REGISTERED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class CleanupParts:
    """What the cleanup thread works with."""

    identity: Identity
    settings: Settings
    api: CentralApi
    ec2: Ec2
    journal: Journal
    link: Link
    reports: Reports
    clock: Clock


@dataclass(slots=True)
class _Results:
    deleted: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)


class Cleanup:
    """One step is one pass. Only the PRIMARY cleans, so that one agent has one cleaner."""

    def __init__(self, parts: CleanupParts) -> None:
        self._parts = parts

    def step(self) -> Outcome:
        """What EC2 refuses is reported as failed, and tried again next time."""
        why_not = self._parts.link.why_not()
        contents = self._parts.journal.read()
        if why_not or contents.role is None or contents.agent_id is None:
            return Idle(why_not or "no role yet", next_after_seconds=RETRY_UNTIL_REGISTERED_SECONDS)
        if contents.role is not Role.PRIMARY:
            return Idle("not PRIMARY")
        try:
            kept = self._images_to_keep()
        except ServerFailed as error:
            return self._parts.link.failed("config", error)
        if kept is None:
            return Idle("the server does not say which images are to stay")
        try:
            plan = self._plan(tags_of_agent(contents.agent_id, contents.logical_agent_id), kept)
        except Ec2Failed as error:
            return Failed("cleanup_not_planned", {"error_class": error.error_class, "code": error.code})
        results = self._carry_out(plan)
        if not results.deleted and not results.failed:
            return Idle("nothing to clean up")
        self._report(plan, results)
        return Did("cleaned_up", {"deleted": len(results.deleted), "failed": len(results.failed)})

    def _images_to_keep(self) -> frozenset[str] | None:
        """Asked anew each time, as it changes with every launch. None: an older server, which knows no better than to have them all go."""
        listed = self._parts.api.config().get("images_to_keep")
        return frozenset(map(str, listed)) if isinstance(listed, list) else None

    def _plan(self, tags: dict[str, str], kept: frozenset[str]) -> CleanupPlan:
        images = self._parts.ec2.find_images(tags)
        snapshots = self._parts.ec2.find_snapshots(tags)
        in_use = self._parts.ec2.images_in_use([image.image_id for image in images])
        effective = effective_settings(self._parts.settings, cached_config(self._parts.journal.read().config))
        limits = AgeLimits(effective.cleanup_images_older_than_days, effective.cleanup_snapshots_older_than_days)
        return plan_cleanup(images, snapshots, Needed(in_use, kept), limits, self._parts.clock.now())

    def _carry_out(self, plan: CleanupPlan) -> _Results:
        results = _Results()
        for image in plan.images:
            self._remove_image(image, results)
        for snapshot in plan.snapshots:
            self._remove_snapshot(snapshot.snapshot_id, "older than the limit", results)
        return results

    def _remove_image(self, image: ImageFacts, results: _Results) -> None:
        """Deregister first: EC2 keeps the snapshots of a registered image. A crash in between leaves them to age."""
        try:
            self._parts.ec2.deregister_image(image.image_id)
        except Ec2Failed as error:
            results.failed.append({"kind": "image", "id": image.image_id, "reason": str(error)})
            return
        metrics.CLEANED_UP.add("image")
        results.deleted.append({"kind": "image", "id": image.image_id, "reason": "older than the limit"})
        for snapshot_id in image.snapshot_ids:
            self._remove_snapshot(snapshot_id, f"of {image.image_id}", results)

    def _remove_snapshot(self, snapshot_id: str, reason: str, results: _Results) -> None:
        try:
            self._parts.ec2.delete_snapshot(snapshot_id)
        except Ec2Failed as error:
            results.failed.append({"kind": "snapshot", "id": snapshot_id, "reason": str(error)})
            return
        metrics.CLEANED_UP.add("snapshot")
        results.deleted.append({"kind": "snapshot", "id": snapshot_id, "reason": reason})

    def _report(self, plan: CleanupPlan, results: _Results) -> None:
        """A report that does not get through now is retried by the notices thread, which retries all that is kept."""
        seed = f"{self._parts.identity.instance_id}\n{to_wire(self._parts.clock.now())}"
        request_id = hashlib.sha256(seed.encode()).hexdigest()[:32]
        kept = [{"kind": item.kind, "id": item.id, "reason": item.reason} for item in plan.kept]
        body = {"request_id": request_id, "deleted": results.deleted, "kept": kept, "failed": results.failed}
        report = UnsentReport(f"cleanup-report/{request_id}", "cleanup-report", body)
        self._parts.reports.keep(report)
        self._parts.reports.send(self._parts.api, report)
