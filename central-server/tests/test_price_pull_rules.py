"""What is asked of EC2, and what its answer says of each five minutes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from server_support.prices import bucket
from spot_server.features.price_pulls.rules import BACKFILL, MOST_TYPES, Change, in_batches, observe, plan_questions
from spot_server.features.pricing.rules import BUCKET

NOW = START + timedelta(minutes=7)
moments = st.integers(-9000, 9000).map(lambda seconds: START + timedelta(seconds=seconds))
amounts = st.integers(1, 500).map(lambda micros: Decimal(micros) / 1000)
changes = st.lists(st.builds(Change, amounts, moments), unique_by=lambda change: change.effective_at)


@given(changes, st.integers(-20, 20).map(bucket), st.integers(0, 6000).map(lambda seconds: START + timedelta(seconds=seconds)))
def test_each_bucket_has_the_price_in_force_at_its_end_or_now(found: list[Change], since: object, now: object) -> None:
    seen = observe(1, found, since, now)  # type: ignore[arg-type]

    buckets = [one.bucket_at for one in seen]
    assert buckets == sorted(set(buckets))
    for one in seen:
        assert since <= one.bucket_at <= now  # type: ignore[operator]
        before = [change for change in found if change.effective_at <= one.last_observed_at]
        assert one.effective_at == max(change.effective_at for change in before)
        assert one.bucket_at <= one.last_observed_at < one.bucket_at + BUCKET
    if seen:
        assert buckets == [buckets[0] + number * BUCKET for number in range(len(buckets))]
        assert now - BUCKET < buckets[-1]  # type: ignore[operator]


def test_before_its_first_price_a_pool_has_none() -> None:
    seen = observe(1, [Change(Decimal("0.03"), bucket(2))], bucket(0), bucket(4))

    assert [one.bucket_at for one in seen] == [bucket(2), bucket(3), bucket(4)]


@given(
    st.dictionaries(st.text(alphabet="abc", min_size=1, max_size=4), st.none() | st.integers(-3000, 2).map(bucket), max_size=30),
)
def test_every_type_that_is_not_read_to_the_end_is_asked_about_once(pulled: dict[str, object]) -> None:
    questions = plan_questions(pulled, NOW)  # type: ignore[arg-type]

    asked = [name for question in questions for name in question.instance_types]
    assert sorted(asked) == sorted(name for name, at in pulled.items() if at is None or at < bucket(2))  # type: ignore[operator]
    for question in questions:
        assert len(question.instance_types) <= MOST_TYPES
        assert {pulled[name] for name in question.instance_types} <= {None, question.since}


def test_what_is_new_is_read_for_a_week_one_type_at_a_time_after_what_is_known() -> None:
    questions = plan_questions({"m5.large": None, "c5.large": bucket(1), "r5.large": bucket(1), "t3.large": None}, NOW)

    assert [(question.instance_types, NOW - question.since > BACKFILL - BUCKET) for question in questions] == [
        (("c5.large", "r5.large"), False),
        (("m5.large",), True),
        (("t3.large",), True),
    ]


def test_ec2_is_not_asked_for_what_it_does_not_keep() -> None:
    (question,) = plan_questions({"m5.large": START - timedelta(days=300)}, NOW)

    assert NOW - question.since <= timedelta(days=90)


@given(st.lists(st.integers(0, 9)), st.integers(1, 7))
def test_batches_keep_all_in_order_and_to_their_size(sizes: list[int], most: int) -> None:
    of_pools = [observe(pool_id, [Change(Decimal("0.03"), START)], START, bucket(size)) for pool_id, size in enumerate(sizes)]

    batches = list(in_batches(of_pools, most))

    assert [seen for batch in batches for seen in batch] == [seen for pool in of_pools for seen in pool]
    assert all(len(batch) == most for batch in batches[:-1])
    assert all(batches)
