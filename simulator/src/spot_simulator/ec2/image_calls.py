"""Images and snapshots: names are unique, snapshots can be tagged with the image, and both take their time."""

from spot_simulator.ec2.call import Call
from spot_simulator.ec2.known_instances import KnownInstances, check_image_source
from spot_simulator.ec2.wire import Answer, Parameters, is_true, tag_specifications, without
from spot_simulator.hosting.disks import Disks
from spot_simulator.images import Images
from spot_simulator.machines import Machines
from spot_simulator.volumes.refusals import check_left_out, check_snapshot, volume_not_found
from spot_simulator.volumes.volumes import Volumes


class ImageCalls:
    """Called with the region's lock held."""

    def __init__(self, images: Images, machines: Machines, volumes: Volumes, known: KnownInstances, disks: Disks) -> None:
        """Take the parts."""
        self._images, self._machines, self._volumes, self._known, self._disks = images, machines, volumes, known, disks

    def create_image(self, call: Call) -> Answer:
        """Answer CreateImage; without NoReboot a running instance is rebooted, as AWS does."""
        name, instance_id = call.needed("Name"), call.needed("InstanceId")
        machine = self._known.one(instance_id)
        check_image_source(machine, name, call.moto.image_of_name(name))
        check_left_out(self._volumes.on_instance(instance_id), _left_out(call.parameters))
        root = self._volumes.root_of(instance_id)
        call.end_if_dry_run()
        image_tags = tag_specifications(call.parameters, "image")
        answer = call.forward(without(call.parameters, "TagSpecification.", "BlockDeviceMapping."))
        image_id = answer.text("imageId")
        if answer.status == 200 and image_id and root is not None:
            call.moto.add_tags(image_id, image_tags)
            self._images.add(image_id, instance_id, root, tag_specifications(call.parameters, "snapshot"))
            if not is_true(call.parameters, "NoReboot"):
                self._machines.reboot(machine)
        return answer

    def deregister_image(self, call: Call) -> Answer:
        """Answer DeregisterImage; its snapshot stays unless DeleteAssociatedSnapshots says otherwise."""
        image_id = call.needed("ImageId")
        image = self._images.by_id.get(image_id)
        call.end_if_dry_run()
        answer = call.forward(without(call.parameters, "DeleteAssociatedSnapshots"))
        if answer.status != 200 or image is None:
            return answer
        del self._images.by_id[image_id]
        if is_true(call.parameters, "DeleteAssociatedSnapshots"):
            self._delete(call, image.snapshot_id)
        return answer

    def create_snapshot(self, call: Call) -> Answer:
        """Answer CreateSnapshot of a volume, attached or left over."""
        volume = self._volumes.by_id.get(call.needed("VolumeId"))
        if volume is None:
            raise volume_not_found(call.needed("VolumeId"))
        states = call.moto.snapshot_states().items()
        pending = [one for one, state in states if state == "pending" and call.moto.volume_of_snapshot(one) == volume.volume_id]
        check_snapshot(volume, len(pending))
        return self._snapshots_taken(call)

    def create_snapshots(self, call: Call) -> Answer:
        """Answer CreateSnapshots of an instance: one of each attached volume."""
        self._known.one(call.needed("InstanceSpecification.InstanceId"))
        return self._snapshots_taken(call)

    def delete_snapshot(self, call: Call) -> Answer:
        """Answer DeleteSnapshot."""
        call.end_if_dry_run()
        answer = call.forward()
        if answer.status == 200:
            self._disks.delete_snapshot(call.needed("SnapshotId"))
        return answer

    def _snapshots_taken(self, call: Call) -> Answer:
        call.end_if_dry_run()
        answer = call.forward()
        if answer.status == 200:
            for snapshot_id in answer.texts("snapshotId"):
                self._images.start_snapshot(snapshot_id, self._volumes.by_id[call.moto.volume_of_snapshot(snapshot_id)])
            body = answer.body.replace(b"<status>completed</status>", b"<status>pending</status>")
            return Answer(answer.status, body)
        return answer

    def _delete(self, call: Call, snapshot_id: str) -> None:
        deletion = {"Action": "DeleteSnapshot", "Version": call.parameters["Version"], "SnapshotId": snapshot_id}
        if call.forward(deletion).status == 200:
            self._disks.delete_snapshot(snapshot_id)


def _left_out(parameters: Parameters) -> frozenset[str]:
    """Return the devices that a CreateImage names with NoDevice."""
    names = [name.removesuffix("NoDevice") for name in parameters if name.startswith("BlockDeviceMapping.") and name.endswith(".NoDevice")]
    return frozenset(parameters[f"{name}DeviceName"] for name in names)
