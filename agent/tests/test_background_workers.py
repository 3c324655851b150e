"""Pricing, cleanup, and a replica's way to ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agent_fakes.virtual import START
from agent_fakes.world import World, journal_of
from spot_agent.ec2_facts import ImageFacts, SnapshotFacts, SpotPrice, TypeFacts
from spot_agent.errors import ServerUnreachable
from spot_agent.model import TAG_AGENT_ID, TAG_CLIENT_ID, TAG_COPY_OF, Role
from spot_agent.ports import HookName, HookResult

OURS = {"spot-optimizer:managed": "true", "spot-optimizer:logical-agent-id": "web-1", "spot-optimizer:agent-id": "agent-1"}


@pytest.fixture
def running(world: World) -> World:
    world.ec2.prices = [
        SpotPrice("us-east-1a", "m5.large", "Linux/UNIX", Decimal("0.0351"), START - timedelta(hours=1)),
        SpotPrice("us-east-1a", "m5.large", "Linux/UNIX", Decimal("0.0340"), START - timedelta(hours=9)),
    ]
    world.ec2.types = {"m5.large": TypeFacts("m5.large", 2, 8192, ("x86_64",))}
    world.api.answers["pricing-report"] = {"accepted": 1, "refused": []}
    return world.registered()


@pytest.fixture
def replica(tmp_path: Path) -> World:
    world = World(tmp_path, journal_of(Role.REPLICA, quiesced=True))
    world.api.answers["replicas"] = {
        "replicas": [
            {"replica_id": "rep-0", "instance_id": "i-other", "status": "ready"},
            {"replica_id": "rep-1", "instance_id": "i-own", "status": "launching"},
        ]
    }
    world.boot()
    return world


def test_a_price_report_names_the_current_price_by_zone_id(running: World) -> None:
    delay_seconds = running.step("pricing")

    body = running.api.bodies("pricing-report")[0]
    assert [(row["az_id"], row["spot_usd_per_hour"]) for row in body["prices"]] == [("use1-az1", "0.0351")]
    assert body["instance_types"][0]["vcpu"] == 2
    assert delay_seconds == 300


def test_an_instance_of_another_product_asks_for_the_prices_of_that_and_says_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ec2.instances["i-own"] = replace(world.ec2.instances["i-own"], platform_details="Red Hat Enterprise Linux")
    world.ec2.prices = [
        SpotPrice("us-east-1a", "m5.large", "Linux/UNIX", Decimal("0.0351"), START - timedelta(hours=1)),
        SpotPrice("us-east-1a", "m5.large", "Red Hat Enterprise Linux (Amazon VPC)", Decimal("0.0639"), START - timedelta(hours=1)),
    ]
    world.registered()

    world.step("pricing")

    body = world.api.bodies("pricing-report")[0]
    assert [(row["product"], row["spot_usd_per_hour"]) for row in body["prices"]] == [("Red Hat Enterprise Linux", "0.0639")]


def test_types_and_zones_are_asked_for_once(running: World) -> None:
    running.step("pricing")
    running.step("pricing")

    assert running.ec2.calls.count("instance_types") == 1
    assert running.ec2.calls.count("zone_ids") == 1


def test_a_type_that_cannot_be_described_does_not_keep_prices_back(running: World) -> None:
    running.ec2.failures["instance_types"] = ["InvalidInstanceType"]

    running.step("pricing")

    assert len(running.api.bodies("pricing-report")) == 1


def test_a_zombie_reports_no_prices(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.ZOMBIE, quiesced=True))
    world.boot()

    world.step("pricing")

    assert world.api.sent == []


def test_missing_rights_for_prices_are_said_and_retried(running: World) -> None:
    running.ec2.failures["spot_prices"] = ["UnauthorizedOperation"]

    delay_seconds = running.step("pricing")

    assert delay_seconds <= 1
    assert "not_authorized" in running.lines.text


def test_a_replica_passes_its_check_and_is_ready(replica: World) -> None:
    replica.step("replica_manager")

    told = [(body["replica_id"], body["status"]) for body in replica.api.bodies("replica_status")]
    assert told == [("rep-1", "syncing"), ("rep-1", "ready")]


def test_a_replica_that_does_not_pass_stays_syncing_and_tries_again(replica: World) -> None:
    replica.hooks.scripted[HookName.STANDBY_CHECK] = [HookResult(1, "no disk"), HookResult(None, "")]

    replica.steps("replica_manager", lambda: len(replica.api.bodies("replica_status")) == 2)

    assert [body["status"] for body in replica.api.bodies("replica_status")] == ["syncing", "ready"]
    assert replica.hooks.calls.count(HookName.STANDBY_CHECK) == 3


def test_a_replica_survives_a_server_that_does_not(replica: World) -> None:
    replica.api.failures["replicas"] = [ServerUnreachable("500")] * 3
    replica.api.failures["replica_status"] = [ServerUnreachable("500")]

    replica.steps("replica_manager", lambda: bool(replica.api.bodies("replica_status")[-1:]) and _is_ready(replica), at_most=40)

    assert _is_ready(replica)


def _is_ready(world: World) -> bool:
    return bool(world.api.bodies("replica_status")[-1]["status"] == "ready")


def test_cleanup_deregisters_then_deletes_and_reports(running: World) -> None:
    _add_image(running, "ami-old", age_days=40)
    _add_image(running, "ami-new", age_days=1)
    running.ec2.snapshots["snap-loose"] = SnapshotFacts("snap-loose", "vol", START - timedelta(days=8), OURS)
    running.ec2.snapshots["snap-foreign"] = SnapshotFacts("snap-foreign", "vol", START - timedelta(days=8), {})

    running.step("cleanup")

    report = running.api.bodies("cleanup-report")[0]
    assert [(gone["kind"], gone["id"]) for gone in report["deleted"]] == [
        ("image", "ami-old"),
        ("snapshot", "snap-ami-old"),
        ("snapshot", "snap-loose"),
    ]
    assert set(running.ec2.snapshots) == {"snap-ami-new", "snap-foreign"}


def test_cleanup_leaves_what_another_clients_agent_of_the_same_name_has(running: World) -> None:
    _add_image(running, "ami-own", age_days=1)
    theirs = {**OURS, TAG_AGENT_ID: "agent-of-another", TAG_CLIENT_ID: "another"}
    for image_id, age_days in (("ami-theirs", 90), ("ami-theirs-too", 50)):
        _add_image(running, image_id, age_days=age_days, tags=theirs)
    running.ec2.snapshots["snap-theirs"] = SnapshotFacts("snap-theirs", "vol", START - timedelta(days=90), theirs)

    running.step("cleanup")

    assert set(running.ec2.images) == {"ami-own", "ami-theirs", "ami-theirs-too"}
    assert "snap-theirs" in running.ec2.snapshots


def test_cleanup_leaves_the_newest_copy_of_a_data_volume_however_old(running: World) -> None:
    copied = {**OURS, TAG_COPY_OF: "vol-data"}
    running.ec2.snapshots["snap-first"] = SnapshotFacts("snap-first", "vol-data", START - timedelta(days=41), copied)
    running.ec2.snapshots["snap-last"] = SnapshotFacts("snap-last", "vol-data", START - timedelta(days=40), copied)

    running.step("cleanup")

    assert set(running.ec2.snapshots) == {"snap-last"}
    assert {"kind": "snapshot", "id": "snap-last", "reason": "the newest copy of a data volume"} in running.api.bodies("cleanup-report")[0][
        "kept"
    ]


def test_cleanup_keeps_an_image_in_use_and_the_newest_however_old(running: World) -> None:
    _add_image(running, "ami-used", age_days=50)
    _add_image(running, "ami-newest", age_days=40)
    running.ec2.add_instance("i-other", image_id="ami-used")

    running.step("cleanup")

    assert set(running.ec2.images) == {"ami-used", "ami-newest"}
    assert running.api.bodies("cleanup-report") == []


def test_what_cannot_be_deleted_is_reported_as_failed(running: World) -> None:
    _add_image(running, "ami-old", age_days=40)
    _add_image(running, "ami-new", age_days=1)
    running.ec2.failures["deregister_image"] = ["UnauthorizedOperation"]

    running.step("cleanup")

    report = running.api.bodies("cleanup-report")[0]
    assert [(item["id"], report["deleted"]) for item in report["failed"]] == [("ami-old", [])]


def test_only_the_primary_cleans(replica: World) -> None:
    _add_image(replica, "ami-old", age_days=40)
    _add_image(replica, "ami-new", age_days=1)

    replica.step("cleanup")

    assert len(replica.ec2.images) == 2


def test_cleanup_keeps_what_the_server_would_launch_from_however_old(running: World) -> None:
    for image_id, age_days in (("ami-booted", 90), ("ami-old", 40), ("ami-new", 1)):
        _add_image(running, image_id, age_days=age_days)
    running.api.answers["config"]["images_to_keep"] = ["ami-booted", "ami-new"]

    running.step("cleanup")

    report = running.api.bodies("cleanup-report")[0]
    assert set(running.ec2.images) == {"ami-booted", "ami-new"}
    assert {"kind": "image", "id": "ami-booted", "reason": "what a launch would be made from"} in report["kept"]


def test_no_image_goes_before_the_server_says_which_are_to_stay(running: World) -> None:
    _add_image(running, "ami-old", age_days=40)
    _add_image(running, "ami-new", age_days=1)
    running.api.failures["config"] = [ServerUnreachable("500")]
    running.step("cleanup")
    del running.api.answers["config"]["images_to_keep"]
    running.step("cleanup")

    assert set(running.ec2.images) == {"ami-old", "ami-new"}


def test_a_cleanup_report_outlives_a_server_that_is_down(running: World) -> None:
    _add_image(running, "ami-old", age_days=40)
    _add_image(running, "ami-new", age_days=1)
    running.api.failures["cleanup-report"] = [ServerUnreachable("500")]
    running.step("cleanup")
    assert len(running.journal.read().unsent) == 1

    running.step("heartbeat")

    assert running.journal.read().unsent == ()
    assert len({body["request_id"] for body in running.api.bodies("cleanup-report")}) == 1


def _add_image(world: World, image_id: str, *, age_days: int, tags: dict[str, str] = OURS) -> None:
    made_at = START - timedelta(days=age_days)
    snapshot_id = f"snap-{image_id}"
    world.ec2.images[image_id] = ImageFacts(image_id, image_id, "available", made_at, (snapshot_id,), tags=tags)
    world.ec2.snapshots[snapshot_id] = SnapshotFacts(snapshot_id, "vol", made_at, tags)
