"""What the region reads and sets on moto's objects; moto publishes no types."""

from typing import Any, Protocol


class MotoNic(Protocol):
    """A network interface."""

    id: str
    private_ip_addresses: list[dict[str, object]]
    mac_address: str
    public_ip: str | None


class MotoPlacement(Protocol):
    """Where an instance is."""

    zone: str


class MotoInstance(Protocol):
    """An instance."""

    id: str
    instance_type: str
    private_ip: str
    architecture: str
    client_token: str | None
    spot_instance_request_id: str
    disable_api_termination: bool | str
    placement: MotoPlacement
    nics: dict[int, MotoNic]


class MotoAttachment(Protocol):
    """Where a volume is attached; ``instance.block_device_mapping`` is the other side of it."""

    device: str
    instance: Any


class MotoVolume(Protocol):
    """A volume."""

    id: str
    volume_type: str
    size: int
    iops: int | None
    throughput: int | None
    encrypted: bool
    kms_key_id: str | None
    attachment: MotoAttachment | None


class MotoSnapshot(Protocol):
    """A snapshot; ``status`` is pending or completed."""

    id: str
    status: str


class MotoImage(Protocol):
    """An image; ``state`` is pending or available."""

    id: str
    name: str
    state: str
    root_device_type: str
    architecture: str
    virtualization_type: str
    ebs_snapshot: MotoSnapshot


class MotoAddress(Protocol):
    """An Elastic IP."""

    allocation_id: str
    association_id: str | None
    public_ip: str
    instance: MotoInstance | None
    eni: MotoNic | None
