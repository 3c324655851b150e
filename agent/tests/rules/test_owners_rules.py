"""Instances that another controller owns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.rules.owners import owner_of


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("aws:autoscaling:groupName", "Auto Scaling group x"),
        ("eks:cluster-name", "EKS cluster x"),
        ("aws:ecs:clusterName", "ECS cluster x"),
        ("elasticbeanstalk:environment-name", "Elastic Beanstalk environment x"),
    ],
)
def test_each_controller_is_recognized_by_its_tag(tag: str, expected: str) -> None:
    assert owner_of({"team": "shop", tag: "x"}) == expected


def test_a_kubernetes_cluster_is_named_by_the_key_of_its_tag() -> None:
    assert owner_of({"kubernetes.io/cluster/prod": "owned"}) == "Kubernetes cluster prod"


@given(st.dictionaries(st.from_regex(r"[a-z]{1,10}", fullmatch=True), st.text()))
def test_a_persons_own_tags_make_nobody_an_owner(tags: dict[str, str]) -> None:
    assert owner_of(tags) is None
