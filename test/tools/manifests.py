"""manifests.py FILE: does Kubernetes' API take the objects in FILE? By the classes of its own client, which are made from
its OpenAPI document: unknown fields, wrong types, and missing ones. Needs no cluster."""
import re
import sys

import kubernetes.client
import yaml

PLAIN = {"str": str, "int": int, "float": (int, float), "bool": bool, "object": object}


def check(value, kind, where):
    listed = re.fullmatch(r"list\[(.*)\]", kind)
    mapped = re.fullmatch(r"dict\(str, (.*)\)", kind)
    if listed:
        if not isinstance(value, list):
            sys.exit(f"{where}: no list: {value}")
        return [check(item, listed[1], f"{where}[{i}]") for i, item in enumerate(value)]
    if mapped:
        return {key: check(item, mapped[1], f"{where}.{key}") for key, item in value.items()}
    if kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (kind == "int" and isinstance(value, bool)):
            sys.exit(f"{where}: no {kind}: {value}")
        return value
    model = getattr(kubernetes.client, kind)
    names = {outer: inner for inner, outer in model.attribute_map.items()}
    fields = {}
    for key, item in value.items():
        if key not in names:
            sys.exit(f"{where}: unknown field {key}")
        fields[names[key]] = check(item, model.openapi_types[names[key]], f"{where}.{key}")
    try:
        return model(**fields)
    except ValueError as error:
        sys.exit(f"{where}: {error}")


count = 0
with open(sys.argv[1], encoding="utf-8") as file:
    for document in yaml.safe_load_all(file):
        version = document["apiVersion"].split("/")[-1]
        check(document, version.capitalize() + document["kind"], document["kind"])
        count += 1
print(count, "objects")
