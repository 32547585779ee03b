"""Checks commands of the AWS CLI against the models of Amazon's services that come with botocore.

Standard input: a JSON list of argument lists, without the leading `aws`. Standard output: a line for each fault.
"""

import json
import sys

import botocore.session
from botocore import xform_name

# What the CLI adds by itself: commands that are no operation of a service, with their options.
OF_THE_CLI = {
    ("s3", "cp"): {"only-show-errors"},
    ("s3", "mb"): set(),
    ("s3", "presign"): {"expires-in"},
    ("s3", "rm"): {"only-show-errors"},
    ("s3", "sync"): {"delete"},
    ("cloudformation", "deploy"): {"stack-name", "template-file", "capabilities", "parameter-overrides"},
    ("ecr", "get-login-password"): set(),
}
# Options of every command.
EVERYWHERE = {"query", "output", "region", "cli-input-json"}

session = botocore.session.get_session()


def options(words):
    return {word.removeprefix("--") for word in words if word.startswith("--")}


def known_options(service, command):
    if (service, command) in OF_THE_CLI:
        return OF_THE_CLI[service, command]
    model = session.get_service_model({"s3api": "s3"}.get(service, service))
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[command]).input_shape
    members = {xform_name(name, "-") for name in shape.members} if shape else set()
    # Flags can be turned off, and `--count` is how the CLI calls two of them.
    return members | {f"no-{name}" for name in members} | ({"count"} if command == "run-instances" else set())


def fault(words):
    service, command, *rest = words
    try:
        unknown = options(rest) - known_options(service, command) - EVERYWHERE
    except (KeyError, botocore.exceptions.UnknownServiceError):
        return f"there is no `aws {service} {command}`"
    return f"`aws {service} {command}` has no {sorted(unknown)}" if unknown else None


for words in json.load(sys.stdin):
    if (told := fault(words)) is not None:
        print(told)
