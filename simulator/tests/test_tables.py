"""The tables of client tokens, of capacity and of faults."""

from hypothesis import given
from hypothesis import strategies as st

from spot_simulator.model.capacity import CapacityPool, CapacityTable, Mode
from spot_simulator.model.faults import ANY_ACTION, Fault, FaultTable, Mishap
from spot_simulator.model.idempotency import First, Mismatch, Repeat, TokenTable

PARAMETERS = st.dictionaries(st.sampled_from(["ImageId", "InstanceType", "UserData"]), st.text(max_size=3))
POOLS = st.builds(CapacityPool, st.sampled_from(["m5.large", "c5.large"]), st.sampled_from(["az1", "az2"]), st.sampled_from(Mode))


@given(PARAMETERS, PARAMETERS, st.text(min_size=1, max_size=3), st.sampled_from(["a", "b"]), st.sampled_from(["a", "b"]))
def test_a_token_is_a_repeat_for_equal_parameters_and_a_mismatch_for_others(
    first: dict[str, str], second: dict[str, str], token: str, first_zone: str, second_zone: str
) -> None:
    table: TokenTable[str] = TokenTable()
    table.remember(token, first_zone, first, "answer")

    verdict = table.look_up(token, second_zone, second)

    if first_zone != second_zone:
        assert verdict == First()
    elif first == second:
        assert verdict == Repeat("answer")
    else:
        assert verdict == Mismatch()


@given(PARAMETERS)
def test_the_first_answer_of_a_token_stays(parameters: dict[str, str]) -> None:
    table: TokenTable[str] = TokenTable()
    table.remember("token", "zone", parameters, "first")
    table.remember("token", "zone", parameters, "second")

    assert table.look_up("token", "zone", parameters) == Repeat("first")


def test_a_dry_run_and_the_launch_after_it_are_the_same_request() -> None:
    table: TokenTable[str] = TokenTable()
    table.remember("token", "zone", {"ImageId": "ami-1", "DryRun": "false", "Version": "1"}, "answer")

    assert table.look_up("token", "zone", {"ImageId": "ami-1", "ClientToken": "token"}) == Repeat("answer")


@given(st.lists(st.tuples(POOLS, st.booleans())), POOLS)
def test_a_pool_is_as_the_last_order_for_it_says(orders: list[tuple[CapacityPool, bool]], asked: CapacityPool) -> None:
    table = CapacityTable()
    for pool, is_available in orders:
        table.set_available(pool, is_available=is_available)

    last = next((is_available for pool, is_available in reversed(orders) if pool == asked), True)

    assert table.is_available(asked) == last
    assert (asked in table.empty_pools()) != last


@given(st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(1, 4))), st.lists(st.sampled_from(["A", "B"])))
def test_a_fault_comes_as_often_as_it_was_ordered_and_in_order(orders: list[tuple[str, int]], calls: list[str]) -> None:
    table = FaultTable()
    for number, (action, count) in enumerate(orders):
        table.add(Fault(action, code=f"code-{number}", remaining=count))

    for action in ("A", "B"):
        wanted = [f"code-{number}" for number, (one, count) in enumerate(orders) if one == action for _ in range(count)]
        taken = [fault.code for call in calls if call == action and (fault := table.take(call))]
        assert taken == wanted[: calls.count(action)]


def test_a_fault_of_one_caller_leaves_others_alone_and_ends_when_it_is_forgotten() -> None:
    table = FaultTable()
    table.add(Fault(ANY_ACTION, Mishap.UNREACHABLE, remaining=None, caller="i-1"))

    taken = [table.take(action, caller) for action, caller in (("A", "i-2"), ("A", "i-1"), ("B", "i-1"))]
    table.forget("i-1")

    assert [fault is not None for fault in taken] == [False, True, True]
    assert table.take("A", "i-1") is None


def test_forgotten_faults_do_not_come() -> None:
    table = FaultTable()
    table.add(Fault("A", code="code", remaining=5))

    table.clear()

    assert table.take("A") is None
    assert table.waiting() == []
