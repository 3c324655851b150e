"""The guards find what they are there to find."""

import ast

from repository import Module, at_import, calls, dotted, imported_packages
from test_source_habits import numeric_settings


def test_a_client_built_at_import_is_seen_and_one_built_in_a_function_is_not() -> None:
    source = "import boto3\nclass A:\n    ec2 = boto3.client('ec2')\ndef f(x=boto3.client('sts')):\n    return boto3.client('s3')\n"

    found = [node.lineno for node in at_import(ast.parse(source)) if isinstance(node, ast.Call) and dotted(node.func) == "boto3.client"]

    assert sorted(found) == [3, 4]


def test_imports_are_seen_wherever_they_stand() -> None:
    source = "import boto3.session\nfrom requests import get\ndef f():\n    import moto\n"

    assert list(imported_packages(ast.parse(source))) == [("boto3", 1), ("requests", 2), ("moto", 4)]


def test_calls_are_named_by_their_whole_chain() -> None:
    assert ("self.tx.commit", 1) in list(calls(ast.parse("self.tx.commit()")))


def test_only_numbers_of_settings_need_a_unit() -> None:
    source = "class WebSettings:\n    name: str = ''\n    wait: int = 1\n    limit: float | None = None\nclass Other:\n    wait: int = 1\n"

    assert list(numeric_settings(Module("x.py", ast.parse(source)))) == [("wait", 3), ("limit", 4)]
