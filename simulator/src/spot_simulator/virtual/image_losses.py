"""Images that somebody deregisters, by hand or by a script: EC2 has them no more, and nobody told the product."""

from __future__ import annotations

from spot_simulator.memory.records import ImageRecord
from spot_simulator.virtual.fleet import TAG_AGENT, Fleet, Member
from spot_simulator.virtual.handles import PERSON


def images_of(fleet: Fleet, member: Member) -> list[ImageRecord]:
    """Return the finished images that were made of an agent's instances, newest first; what a person made them from is none."""
    books = fleet.region.books
    made = [one for one in books.images.values() if one.source_instance_id is not None and one.state == "available"]
    own = [one for one in made if books.tags(str(one.source_instance_id)).get(TAG_AGENT) == member.name]
    return sorted(own, key=lambda one: (one.created_at, one.image_id), reverse=True)


def deregister_newest(fleet: Fleet, member: Member, count: int) -> None:
    """Deregister up to `count` of them. Their snapshots stay, as EC2 leaves them."""
    for image in images_of(fleet, member)[:count]:
        fleet.region.ec2_client(PERSON).deregister_image(ImageId=image.image_id)
