"""The region's state and its bill, as JSON."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from spot_simulator.balancing.target_groups import TargetGroup
from spot_simulator.clock import rfc3339
from spot_simulator.images import Image
from spot_simulator.machine import Interval, Machine, ServiceRun
from spot_simulator.model.billing import Span, billed_until, on_demand_spans, spot_spans, total_usd
from spot_simulator.model.capacity import Mode
from spot_simulator.model.catalogue import on_demand_usd_per_hour
from spot_simulator.ports import AddressEntry
from spot_simulator.region_view import RegionView
from spot_simulator.volumes.records import Volume

_USD = Decimal("0.000001")


def region_state(region: RegionView) -> dict[str, Any]:
    """Describe instances, images, snapshots, volumes, the fronts of every kind, empty pools and waiting faults. The lock is held."""
    books = region.books
    return {
        "now": rfc3339(region.clock.now()),
        "started_at": rfc3339(region.started_at),
        "region": region.name,
        "time_scale": region.delays.time_scale,
        "seed": region.delays.seed,
        "instances": [_instance(machine, books.tags(machine.instance_id)) for machine in region.machines.by_id.values()],
        "images": [_image(region, image) for image in region.images.by_id.values()],
        "snapshots": [
            {"snapshot_id": snapshot_id, "state": state, "tags": books.tags(snapshot_id)}
            for snapshot_id, state in books.snapshot_states().items()
        ],
        "volumes": [_volume(volume, books.tags(volume.volume_id)) for volume in region.volumes.by_id.values()],
        "addresses": [_address(region, address) for address in books.address_entries()],
        "secondary_addresses": [
            {
                "private_ip": private_ip,
                "assigned_instance_id": region.secondary_addresses.assigned_to(private_ip),
                "holder_instance_id": holder.instance_id if holder else None,
            }
            for private_ip, holder in region.secondary_addresses.holders.items()
        ],
        "target_groups": [_target_group(group) for group in region.target_groups.by_arn.values()],
        "records": [
            {"record_name": name, "front": known.front, "known_values": list(known.kept.values) if known.kept else []}
            for name, known in region.resolver.by_name.items()
        ],
        "capacity_unavailable": [
            {"instance_type": pool.instance_type, "az_id": pool.az_id, "mode": pool.mode.value} for pool in region.capacity.empty_pools()
        ],
        "faults": [
            {"action": fault.action, "code": fault.code, "count": fault.remaining, "lose_answer": fault.is_answer_lost}
            for fault in region.faults.waiting()
        ],
    }


def region_bill(region: RegionView) -> dict[str, Any]:
    """Say what every instance cost until now, by spans of one price each. The lock is held."""
    now = region.clock.now()
    lines = [_bill_line(machine, bill_spans(region, machine, now)) for machine in region.machines.by_id.values()]
    total = sum((Decimal(line["usd"]) for line in lines), start=Decimal(0))
    return {"until": rfc3339(now), "currency": "USD", "instances": lines, "usd": str(total)}


def bill_spans(region: RegionView, machine: Machine, now: datetime) -> list[Span]:
    """Return the priced spans for which an instance is billed."""
    spans: list[Span] = []
    for interval in machine.running:
        until = billed_until(interval.since, interval.until, now)
        if machine.mode is Mode.SPOT:
            changes = region.prices.changes(machine.instance_type, machine.az_id, until)
            spans += spot_spans(changes, interval.since, until)
        else:
            spans += on_demand_spans(on_demand_usd_per_hour(machine.instance_type) or Decimal(0), interval.since, until)
    return spans


def _bill_line(machine: Machine, spans: list[Span]) -> dict[str, Any]:
    return {
        "instance_id": machine.instance_id,
        "instance_type": machine.instance_type,
        "az_id": machine.az_id,
        "market": machine.mode.value,
        "from": _time(spans[0].since if spans else None),
        "to": _time(spans[-1].until if spans else None),
        "spans": [{"from": rfc3339(span.since), "to": rfc3339(span.until), "usd_per_hour": str(span.usd_per_hour)} for span in spans],
        "usd": str(total_usd(spans).quantize(_USD)),
    }


def _instance(machine: Machine, tags: dict[str, str]) -> dict[str, Any]:
    return {
        "instance_id": machine.instance_id,
        "state": machine.state.value,
        "state_reason_code": machine.reason.value if machine.reason else None,
        "lifecycle": "spot" if machine.mode is Mode.SPOT else "on-demand",
        "instance_type": machine.instance_type,
        "az_id": machine.az_id,
        "az_name": machine.az_name,
        "private_ip": machine.private_ip,
        "public_ip": machine.public_ip,
        "secondary_ips": list(machine.secondary_ips),
        "image_id": machine.image_id,
        "tags": tags,
        "services": {run.name: _service(run) for run in machine.services.values()},
        "is_booted": machine.is_booted,
        "launched_at": rfc3339(machine.launched_at),
        "running_at": _time(machine.first_running_at),
        "terminated_at": _time(machine.terminated_at),
        "notice": {"action": machine.notice.action.value, "at": rfc3339(machine.notice.at)} if machine.notice else None,
        "rebalance_at": _time(machine.rebalance_at),
        "metadata_fault": machine.metadata_fault.value,
        "running": [_interval(interval) for interval in machine.running],
        "serving": [{**_interval(serving), "pid": serving.pid} for serving in machine.serving],
    }


def _service(run: ServiceRun) -> dict[str, Any]:
    return {
        "state": "running" if run.pid is not None else "stopped",
        "pid": run.pid,
        "started_at": _time(run.started_at),
        "exit_code": run.exit_code,
        "starts": run.starts,
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {"from": rfc3339(interval.since), "to": _time(interval.until)}


def _image(region: RegionView, image: Image) -> dict[str, Any]:
    return {
        "image_id": image.image_id,
        "name": image.name,
        "state": "available" if image.available_at else "pending",
        "snapshot_id": image.snapshot_id,
        "instance_id": image.instance_id,
        "tags": region.books.tags(image.image_id),
        "created_at": rfc3339(image.created_at),
        "available_at": _time(image.available_at),
    }


def _volume(volume: Volume, tags: dict[str, str]) -> dict[str, Any]:
    held = volume.attachment
    return {
        "volume_id": volume.volume_id,
        "state": volume.state,
        "az_name": volume.zone,
        "size_gib": volume.kind.size_gib,
        "disk_of": volume.disk_of,
        "tags": tags,
        "instance_id": held.instance_id if held else None,
        "device_name": held.device_name if held else None,
        "attachment_state": held.state.value if held else None,
        "mount_point": held.mount_point if held else None,
    }


def _address(region: RegionView, address: AddressEntry) -> dict[str, Any]:
    holder = region.addresses.holders.get(address.public_ip)
    return {
        "allocation_id": address.allocation_id,
        "public_ip": address.public_ip,
        "association_id": address.association_id,
        "associated_instance_id": address.instance_id,
        "holder_instance_id": holder.instance_id if holder else None,
        "tags": region.books.tags(address.allocation_id),
    }


def _target_group(group: TargetGroup) -> dict[str, Any]:
    return {
        "target_group_arn": group.arn,
        "name": group.name,
        "front": group.front,
        "leads_to": [lead.address for lead in group.leads],
        "targets": [
            {"instance_id": target.machine.instance_id, "port": target.port, "state": target.health.state.value}
            for target in group.targets.values()
        ],
    }


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
