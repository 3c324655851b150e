"""Does another controller own this instance? Then it would replace what we move, and we must not touch it."""

from __future__ import annotations

from collections.abc import Mapping

_BY_KEY = {
    "aws:autoscaling:groupName": "Auto Scaling group",
    "eks:cluster-name": "EKS cluster",
    "aws:eks:cluster-name": "EKS cluster",
    "aws:ecs:clusterName": "ECS cluster",
    "elasticbeanstalk:environment-name": "Elastic Beanstalk environment",
}
_KUBERNETES = "kubernetes.io/cluster/"


def owner_of(tags: Mapping[str, str]) -> str | None:
    """Such as "Auto Scaling group web-asg", or None when nobody else claims the instance."""
    for key, kind in _BY_KEY.items():
        if key in tags:
            return f"{kind} {tags[key]}".strip()
    for key in sorted(tags):
        if key.startswith(_KUBERNETES):
            return f"Kubernetes cluster {key.removeprefix(_KUBERNETES)}".strip()
    return None
