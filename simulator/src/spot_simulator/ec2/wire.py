"""EC2's query protocol: flat parameters in, XML out."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from spot_simulator.ec2.errors import Ec2Error

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
Parameters = dict[str, str]


XML = "text/xml;charset=UTF-8"
JSON = "application/x-amz-json-1.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: XML, or JSON where the service speaks that."""

    status: int
    body: bytes
    content_type: str = XML

    def text(self, tag: str) -> str | None:
        """Return the text of the first element with this name."""
        return next(iter(self.texts(tag)), None)

    def texts(self, tag: str) -> list[str]:
        """Return the texts of all elements with this name, in document order."""
        return [element.text or "" for element in ET.fromstring(self.body).iter() if _local(element) == tag]  # noqa: S314 - our own words

    def error_code(self) -> str | None:
        """Return AWS's error code, or None for a success."""
        if self.status < 400:
            return None
        return str(json.loads(self.body)["__type"]) if self.content_type == JSON else self.text("Code")


def members(parameters: Mapping[str, str], name: str) -> list[str]:
    """Return the values of ``Name.1``, ``Name.2`` and so on, in the order of their numbers."""
    prefix = f"{name}."
    numbered = [(key[len(prefix) :], value) for key, value in parameters.items() if key.startswith(prefix)]
    return [value for _, value in sorted((int(number), value) for number, value in numbered if number.isdigit())]


def filters(parameters: Mapping[str, str]) -> dict[str, list[str]]:
    """Return ``Filter.N.Name`` to ``Filter.N.Value.M``."""
    found: dict[str, list[str]] = {}
    for key, name in parameters.items():
        if key.startswith("Filter.") and key.endswith(".Name"):
            found[name] = members(parameters, key.removesuffix("Name") + "Value")
    return found


def is_true(parameters: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """Read a boolean parameter."""
    value = parameters.get(name)
    return default if value is None else value.lower() == "true"


def tag_specifications(parameters: Mapping[str, str], resource_type: str) -> dict[str, str]:
    """Return the tags that a request asks for on one type of resource."""
    tags: dict[str, str] = {}
    for key, value in parameters.items():
        if key.startswith("TagSpecification.") and key.endswith(".ResourceType") and value == resource_type:
            prefix = key.removesuffix("ResourceType") + "Tag."
            for name_key in [other for other in parameters if other.startswith(prefix) and other.endswith(".Key")]:
                tags[parameters[name_key]] = parameters.get(name_key.removesuffix("Key") + "Value", "")
    return tags


_EBS_VALUES: Mapping[str, Callable[[str], object]] = {
    "DeleteOnTermination": lambda text: text.lower() == "true",
    "Encrypted": lambda text: text.lower() == "true",
    "Iops": int,
    "KmsKeyId": str,
    "SnapshotId": str,
    "Throughput": int,
    "VolumeSize": int,
    "VolumeType": str,
}


def device_mappings(parameters: Mapping[str, str]) -> list[Mapping[str, object]]:
    """Return ``BlockDeviceMapping.N`` as boto3 takes them, in the order of their numbers."""
    found: dict[int, dict[str, object]] = {}
    for key, value in parameters.items():
        if key.startswith("BlockDeviceMapping."):
            _, number, name = key.split(".", 2)
            mapping = found.setdefault(int(number), {"Ebs": {}})
            ebs = mapping["Ebs"]
            if name == "DeviceName":
                mapping[name] = value
            elif name.removeprefix("Ebs.") in _EBS_VALUES and isinstance(ebs, dict):
                setting = name.removeprefix("Ebs.")
                ebs[setting] = _EBS_VALUES[setting](value)
    return [found[number] for number in sorted(found)]


def without(parameters: Mapping[str, str], *prefixes: str) -> Parameters:
    """Return the parameters whose names do not start with any of the prefixes."""
    return {key: value for key, value in parameters.items() if not key.startswith(prefixes)}


def success(action: str, content: Mapping[str, object]) -> Answer:
    """Build the XML answer of an action; a list becomes ``<item>`` elements, None is left out."""
    root = ET.Element(f"{action}Response", xmlns=NAMESPACE)
    ET.SubElement(root, "requestId").text = str(uuid.uuid4())
    _fill(root, content)
    return Answer(200, ET.tostring(root, encoding="utf-8", xml_declaration=True))


def failure(error: Ec2Error) -> Answer:
    """Build the XML answer of an error."""
    root = ET.Element("Response")
    one = ET.SubElement(ET.SubElement(root, "Errors"), "Error")
    ET.SubElement(one, "Code").text = error.code
    ET.SubElement(one, "Message").text = error.message
    ET.SubElement(root, "RequestID").text = str(uuid.uuid4())
    return Answer(error.status, ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _fill(parent: ET.Element, content: object) -> None:
    if isinstance(content, Mapping):
        for name, value in content.items():
            if value is not None:
                _fill(ET.SubElement(parent, name), value)
    elif isinstance(content, list | tuple):
        for value in content:
            _fill(ET.SubElement(parent, "item"), value)
    else:
        parent.text = str(content).lower() if isinstance(content, bool) else str(content)


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
