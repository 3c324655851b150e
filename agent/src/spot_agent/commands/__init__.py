"""The command table: every kind of docs/agent-protocol.md, its handler and its lane."""

from __future__ import annotations

from types import MappingProxyType

from spot_agent.commands import (
    attach_volumes,
    close_sync,
    copy_volumes,
    create_image,
    demote,
    describe_instance,
    launch_instance,
    make_sync_key,
    mount_volumes,
    move_address,
    move_private_ip,
    move_record,
    move_target,
    open_receiver,
    quiesce,
    release,
    salvage_volumes,
    send_state,
    standby_check,
    start_serving,
    stop_instance,
    terminate_instance,
    traffic_hook,
    wait_terminated,
)
from spot_agent.commands.handling import Kind, fast, slow

KINDS = MappingProxyType(
    {
        "create_image": Kind(create_image.handle, slow),
        "launch_instance": Kind(launch_instance.handle, fast),
        "standby_check": Kind(standby_check.handle, fast),
        "quiesce": Kind(quiesce.handle, fast),
        "demote": Kind(demote.handle, fast),
        "move_address": Kind(move_address.handle, fast),
        "move_private_ip": Kind(move_private_ip.handle, fast),
        "move_target": Kind(move_target.handle, fast),
        "confirm_target": Kind(move_target.confirm, slow),
        "move_record": Kind(move_record.handle, fast),
        "confirm_record": Kind(move_record.confirm, slow),
        "traffic_hook": Kind(traffic_hook.handle, traffic_hook.lane_of),
        "start_serving": Kind(start_serving.handle, fast),
        "describe_instance": Kind(describe_instance.handle, fast),
        "terminate_instance": Kind(terminate_instance.handle, terminate_instance.lane_of),
        "stop_instance": Kind(stop_instance.handle, fast),
        "wait_terminated": Kind(wait_terminated.handle, slow),
        "salvage_volumes": Kind(salvage_volumes.handle, salvage_volumes.lane_of),
        "make_sync_key": Kind(make_sync_key.handle, fast),
        "open_receiver": Kind(open_receiver.handle, fast),
        "send_state": Kind(send_state.handle, slow),
        "close_sync": Kind(close_sync.handle, fast),
        "mount_volumes": Kind(mount_volumes.mount, fast),
        "unmount_volumes": Kind(mount_volumes.unmount, fast),
        "detach_volumes": Kind(attach_volumes.detach, fast),
        "attach_volumes": Kind(attach_volumes.attach, fast),
        "copy_volumes": Kind(copy_volumes.copy, slow),
        "discard_volumes": Kind(copy_volumes.discard, slow),
        "release": Kind(release.handle, fast),
    }
)
