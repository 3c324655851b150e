"""EC2's codes and their meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.errors import ErrorClass
from spot_agent.rules.ec2_errors import MEANINGS, class_of_code, is_absence


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("InsufficientInstanceCapacity", ErrorClass.CAPACITY),
        ("MaxSpotInstanceCountExceeded", ErrorClass.QUOTA),
        ("SpotMaxPriceTooLow", ErrorClass.PRICE),
        ("InsufficientFreeAddressesInSubnet", ErrorClass.SUBNET),
        ("Unsupported", ErrorClass.POOL_INVALID),
        ("RequestLimitExceeded", ErrorClass.THROTTLED),
        ("IdempotentParameterMismatch", ErrorClass.IDEMPOTENCY),
        ("UnauthorizedOperation", ErrorClass.NOT_AUTHORIZED),
        ("InvalidInstanceID.NotFound", ErrorClass.RACE),
        ("InvalidAMIID.NotFound", ErrorClass.NOT_FOUND),
        ("NeverHeardOfIt", ErrorClass.UNEXPECTED),
    ],
)
def test_a_code_means_what_the_table_says(code: str, expected: ErrorClass) -> None:
    assert class_of_code(code) is expected


def test_no_code_has_two_meanings() -> None:
    codes = [code for known in MEANINGS.values() for code in known]

    assert len(codes) == len(set(codes))


@given(st.text())
def test_every_code_has_a_meaning_and_only_absence_is_not_found(code: str) -> None:
    if class_of_code(code) is ErrorClass.NOT_FOUND:
        assert is_absence(code)
