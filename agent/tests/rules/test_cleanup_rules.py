"""What may be cleaned up."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agent_fakes.virtual import START
from spot_agent.ec2_facts import ImageFacts, SnapshotFacts
from spot_agent.model import TAG_COPY_OF
from spot_agent.rules.cleanup import AgeLimits, Needed, plan_cleanup

LIMITS = AgeLimits(images_days=30, snapshots_days=7)
AGES: st.SearchStrategy[datetime | None] = st.none() | st.integers(0, 100).map(lambda days: START - timedelta(days=days))
IDS = st.frozensets(st.sampled_from([f"ami-{number}" for number in range(6)]))
NOT_NEEDED = Needed(frozenset(), frozenset())
SNAPSHOT_IDS = [f"snap-{number}" for number in range(10)]


@st.composite
def _images(draw: st.DrawFn) -> list[ImageFacts]:
    count = draw(st.integers(0, 6))
    states = st.sampled_from(["available", "available", "pending", "failed"])
    snapshots = st.lists(st.sampled_from(SNAPSHOT_IDS), max_size=2).map(tuple)
    return [ImageFacts(f"ami-{number}", f"n{number}", draw(states), draw(AGES), draw(snapshots)) for number in range(count)]


SNAPSHOTS = st.lists(
    st.builds(SnapshotFacts, st.sampled_from(SNAPSHOT_IDS), st.just("vol-1"), AGES),
    unique_by=lambda snapshot: snapshot.snapshot_id,
)


@given(_images(), SNAPSHOTS, IDS, IDS)
def test_what_goes_is_old_needed_by_nobody_and_not_the_newest(
    images: list[ImageFacts], snapshots: list[SnapshotFacts], in_use: frozenset[str], kept_by_server: frozenset[str]
) -> None:
    plan = plan_cleanup(images, snapshots, Needed(in_use, kept_by_server), LIMITS, START)

    limit = START - timedelta(days=30)
    available = [image.created_at for image in images if image.state == "available" and image.created_at]
    for image in plan.images:
        assert image.created_at is not None
        assert image.created_at < limit
        assert image.image_id not in in_use | kept_by_server
        assert image.state != "pending"
    gone = {image.image_id for image in plan.images}
    if available:
        assert any(image.created_at == max(available) and image.image_id not in gone for image in images)


@given(_images(), SNAPSHOTS)
def test_no_loose_snapshot_belongs_to_an_image_or_is_young(images: list[ImageFacts], snapshots: list[SnapshotFacts]) -> None:
    plan = plan_cleanup(images, snapshots, NOT_NEEDED, LIMITS, START)

    of_images = {snapshot_id for image in images for snapshot_id in image.snapshot_ids}
    for snapshot in plan.snapshots:
        assert snapshot.snapshot_id not in of_images
        assert snapshot.started_at is not None
        assert snapshot.started_at < START - timedelta(days=7)


@given(_images(), SNAPSHOTS)
def test_every_image_either_goes_or_stays_with_a_reason(images: list[ImageFacts], snapshots: list[SnapshotFacts]) -> None:
    plan = plan_cleanup(images, snapshots, NOT_NEEDED, LIMITS, START)

    listed = [image.image_id for image in plan.images] + [kept.id for kept in plan.kept if kept.kind == "image"]
    assert sorted(listed) == sorted(image.image_id for image in images)
    assert all(kept.reason for kept in plan.kept)


COPIES = st.lists(
    st.builds(
        SnapshotFacts,
        st.sampled_from(SNAPSHOT_IDS),
        st.sampled_from(["vol-1", "vol-2"]),
        AGES,
        st.sampled_from([{}, {TAG_COPY_OF: "vol-1"}]),
        st.sampled_from(["completed", "completed", "pending", "error"]),
    ),
    unique_by=lambda snapshot: snapshot.snapshot_id,
)


@given(COPIES)
def test_the_newest_completed_copy_of_each_data_volume_stays_and_nothing_else_for_that(snapshots: list[SnapshotFacts]) -> None:
    plan = plan_cleanup([], snapshots, NOT_NEEDED, LIMITS, START)

    gone = {snapshot.snapshot_id for snapshot in plan.snapshots}
    for volume_id in ("vol-1", "vol-2"):
        copies = [one for one in snapshots if one.volume_id == volume_id and TAG_COPY_OF in one.tags and one.state == "completed"]
        ages = [one.started_at for one in copies if one.started_at is not None]
        left = [one for one in copies if one.snapshot_id not in gone]
        assert not ages or any(one.started_at == max(ages) for one in left)
        old = [one for one in left if one.started_at is not None and one.started_at < START - timedelta(days=7)]
        assert len(old) <= 1
    assert {snapshot.snapshot_id for snapshot in snapshots} == gone | {kept.id for kept in plan.kept}


def test_an_old_copy_that_never_completed_does_not_stand_in_for_one_that_did() -> None:
    mark = {TAG_COPY_OF: "vol-1"}
    whole = SnapshotFacts("snap-1", "vol-1", START - timedelta(days=60), mark)
    broken = SnapshotFacts("snap-2", "vol-1", START - timedelta(days=50), mark, state="error")

    plan = plan_cleanup([], [whole, broken], NOT_NEEDED, LIMITS, START)

    assert [snapshot.snapshot_id for snapshot in plan.snapshots] == ["snap-2"]
    assert [(kept.id, kept.reason) for kept in plan.kept] == [("snap-1", "the newest copy of a data volume")]
