"""Sessions of the clients' roles: assumed with the external id, kept until shortly before they expire."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from spot_server.aws.asking import asked, client_config
from spot_server.aws.ec2 import Boto3Ec2
from spot_server.aws.errors import ASSUME_ROLE_PREFIX, AwsFailed, ErrorClass
from spot_server.aws.ports import ControlRole
from spot_server.aws.price_list import PriceList, endpoint_region
from spot_server.aws.queues import Boto3Queue
from spot_server.aws.spot_market import Boto3Market
from spot_server.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

SESSION_SECONDS = 3600
"""The longest session that every role allows."""

RENEW_BEFORE_SECONDS = 300
"""An act that began with the old session must be able to end with it."""

ATTEMPTS = 2
"""Of calls that may be repeated: one lost packet is mended at once, more is for the next look."""

_NOT_A_REFUSAL = frozenset({ErrorClass.THROTTLED, ErrorClass.UNREACHABLE})


@dataclass(slots=True)
class _Held:
    """What is kept for one role in one region. The lock keeps two threads from assuming it at once, and blocks no other role."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    credentials: CredentialsTypeDef | None = None
    renew_at_seconds: float = 0.0
    ec2: Boto3Ec2 | None = None
    fis: Any = None
    queue: Boto3Queue | None = None
    market: Boto3Market | None = None


class AssumedRoles:
    """The real AwsGateway. AWS_ENDPOINT_URL, proxies and the server's own credentials are boto3's affair."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is asked of AWS yet."""
        self._clock = clock
        self._session = boto3.session.Session()
        self._lock = threading.Lock()
        self._held: dict[tuple[ControlRole, str], _Held] = {}

    def ec2(self, role: ControlRole, region: str) -> Boto3Ec2:
        """Return EC2 with the role's credentials, assuming it if need be."""
        held = self._hold(role, region)
        with held.lock:
            credentials = self._fresh_credentials(held, role, region)
            if held.ec2 is None:
                held.ec2 = self._connect(credentials, region)
            return held.ec2

    def fis(self, role: ControlRole, region: str) -> Any:  # noqa: ANN401 - boto3 publishes no types of FIS here
        """Return a client for FIS with the role's credentials. Its calls carry client tokens, and may all be repeated."""
        held = self._hold(role, region)
        with held.lock:
            credentials = self._fresh_credentials(held, role, region)
            if held.fis is None:
                held.fis = self._client("fis", credentials, region, ATTEMPTS)
            return held.fis

    def queue(self, role: ControlRole, region: str) -> Boto3Queue:
        """Return SQS with the role's credentials. What it is asked may all be repeated."""
        held = self._hold(role, region)
        with held.lock:
            credentials = self._fresh_credentials(held, role, region)
            if held.queue is None:
                held.queue = Boto3Queue(self._client("sqs", credentials, region, ATTEMPTS))
            return held.queue

    def market(self, role: ControlRole, region: str) -> Boto3Market:
        """Return the region's markets with the role's credentials. What they are asked may all be repeated."""
        held = self._hold(role, region)
        with held.lock:
            credentials = self._fresh_credentials(held, role, region)
            if held.market is None:
                pricing = cache(lambda: self._client("pricing", credentials, endpoint_region(region), ATTEMPTS))
                held.market = Boto3Market(self._client("ec2", credentials, region, ATTEMPTS), PriceList(pricing, region))
            return held.market

    def forget(self, role: ControlRole, region: str) -> None:
        """Drop the session."""
        with self._lock:
            self._held.pop((role, region), None)

    def _hold(self, role: ControlRole, region: str) -> _Held:
        with self._lock:
            return self._held.setdefault((role, region), _Held())

    def _fresh_credentials(self, held: _Held, role: ControlRole, region: str) -> CredentialsTypeDef:
        """Return credentials that last for a while; new ones do away with the clients of the old. The caller holds the lock of `held`."""
        if held.credentials is None or self._clock.monotonic_seconds() >= held.renew_at_seconds:
            began_seconds = self._clock.monotonic_seconds()
            held.credentials, held.ec2, held.fis, held.queue, held.market = self._assume(role, region), None, None, None, None
            # By the steady counter: the machine's time of day may be wrong.
            held.renew_at_seconds = began_seconds + SESSION_SECONDS - RENEW_BEFORE_SECONDS
        return held.credentials

    def _assume(self, role: ControlRole, region: str) -> CredentialsTypeDef:
        arguments: dict[str, Any] = {
            "RoleArn": role.role_arn,
            "RoleSessionName": role.session_name,
            "DurationSeconds": SESSION_SECONDS,
        }
        if role.external_id is not None:
            arguments["ExternalId"] = role.external_id
        try:
            with self._lock:
                sts = asked(lambda: self._session.client("sts", region_name=region, config=client_config(ATTEMPTS)))
            return asked(lambda: sts.assume_role(**arguments))["Credentials"]
        except AwsFailed as error:
            if error.error_class in _NOT_A_REFUSAL:
                raise AwsFailed(error.error_class, ASSUME_ROLE_PREFIX + error.code, error.message) from error
            raise AwsFailed(ErrorClass.NOT_AUTHORIZED, ASSUME_ROLE_PREFIX + error.code, error.message) from error

    def _connect(self, credentials: CredentialsTypeDef, region: str) -> Boto3Ec2:
        repeatable: EC2Client = self._client("ec2", credentials, region, ATTEMPTS)
        once: EC2Client = self._client("ec2", credentials, region, 1)
        neighbour = cache(lambda service: self._client(service, credentials, region, ATTEMPTS))
        return Boto3Ec2(repeatable, once, neighbour)

    def _client(self, service: str, credentials: CredentialsTypeDef, region: str, attempts: int) -> Any:  # noqa: ANN401 - of any service
        make: Any = self._session.client
        with self._lock:  # a session makes one client at a time; what it made may be shared
            return make(
                service,
                region_name=region,
                config=client_config(attempts),
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
            )
