"""Versions, aliases with weights, and layers."""

import base64
import hashlib
import json
import urllib.request

from stage import (
    ACCOUNT, arn, check, context_code, create, equal, invoke, lam, name, refused, REGION, unchecked, updated,
    zipped,
)


def tour_versions():
    function = name()
    answer = create(function, code=context_code("one"), wait=False, Publish=True)
    equal("published at creation", (answer["Version"], answer["FunctionArn"], answer["State"]),
          ("1", arn(function), "Pending"))
    lam.get_waiter("function_active_v2").wait(FunctionName=function)
    first = lam.get_function_configuration(FunctionName=function, Qualifier="1")
    latest = lam.get_function_configuration(FunctionName=function)
    check("own revisions", first["RevisionId"] != latest["RevisionId"])
    again = lam.publish_version(FunctionName=function)
    equal("nothing changed, the same again", (again["Version"], again["RevisionId"], again["ResponseMetadata"]["HTTPStatusCode"]),
          ("1", first["RevisionId"], 201))
    lam.update_function_configuration(FunctionName=function, Description="second")
    updated(function)
    latest = lam.get_function_configuration(FunctionName=function)
    refused("wrong revision", "PreconditionFailedException", 412, "GetFunction/GetAlias", lam.publish_version,
            FunctionName=function, RevisionId="wrong")
    refused("wrong sha", "InvalidParameterValueException", 400, "CodeSHA256 (some) is different from current CodeSHA256 in "
            f"$LATEST ({latest['CodeSha256']}). Please try again with the CodeSHA256 in $LATEST.", lam.publish_version,
            FunctionName=function, CodeSha256="some")
    second = lam.publish_version(FunctionName=function, Description="as published")
    equal("second", (second["Version"], second["FunctionArn"], second["State"], second["Description"]),
          ("2", f"{arn(function)}:2", "Active", "as published"))
    check("publishing renews the revision of $LATEST",
          lam.get_function_configuration(FunctionName=function)["RevisionId"] != latest["RevisionId"])
    listed = lam.list_versions_by_function(FunctionName=function)["Versions"]
    equal("listed", [(one["Version"], one["FunctionArn"]) for one in listed],
          [(version, f"{arn(function)}:{version}") for version in ("$LATEST", "1", "2")])
    check("lists have no state", "State" not in listed[0] and "LastUpdateStatus" not in listed[0], listed[0])
    third = lam.update_function_code(FunctionName=function, ZipFile=context_code("three"), Publish=True)
    equal("update and publish", (third["Version"], third["FunctionArn"], third["State"]), ("3", f"{arn(function)}:3", "Pending"))
    updated(function)
    equal("each version runs its own code", [invoke(function, {}, Qualifier=q)[1]["label"] for q in ("1", "2", "3", "$LATEST")],
          ["one", "one", "three", "three"])
    answer, body = invoke(function, {}, Qualifier="2")
    equal("executed", (answer["ExecutedVersion"], body["version"], body["arn"]), ("2", "2", f"{arn(function)}:2"))
    lam.delete_function(FunctionName=function, Qualifier="1")
    listed = lam.list_versions_by_function(FunctionName=function)["Versions"]
    equal("deleted", [one["Version"] for one in listed], ["$LATEST", "2", "3"])
    pages = lam.get_paginator("list_versions_by_function").paginate(FunctionName=function, PaginationConfig={"PageSize": 1})
    equal("pages", [one["Version"] for page in pages for one in page["Versions"]], ["$LATEST", "2", "3"])
    everything = lam.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    mine = [one["FunctionArn"] for page in everything for one in page["Functions"] if one["FunctionName"] == function]
    equal("ListFunctions ALL", mine, [f"{arn(function)}:{version}" for version in ("$LATEST", "2", "3")])
    refused("not ALL", "ValidationException", 400, "Value 'invalid' at 'functionVersion' failed to satisfy constraint: "
            "Member must satisfy enum value set: [ALL]", lam.list_functions, FunctionVersion="invalid")


def tour_aliases():
    function = name()
    create(function, code=context_code("one"), Publish=True)
    lam.update_function_code(FunctionName=function, ZipFile=context_code("two"), Publish=True)
    updated(function)
    made = lam.create_alias(FunctionName=function, Name="live", FunctionVersion="1", Description="d",
                            RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    equal("made", (made["AliasArn"], made["FunctionVersion"], made["RoutingConfig"], made["ResponseMetadata"]["HTTPStatusCode"]),
          (f"{arn(function)}:live", "1", {"AdditionalVersionWeights": {"2": 0.5}}, 201))
    versions = {invoke(function, {}, Qualifier="live")[0]["ExecutedVersion"] for _ in range(40)}
    equal("weights share the invocations", versions, {"1", "2"})
    answer, body = invoke(f"{function}:live", {})
    equal("the arn as invoked", body["arn"], f"{arn(function)}:live")
    equal("ExecutedVersion tells which", answer["ExecutedVersion"], body["version"])
    lam.update_alias(FunctionName=function, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}})
    got = lam.get_alias(FunctionName=function, Name="live")
    check("no routing any more", "RoutingConfig" not in got and got["FunctionVersion"] == "2", got)
    equal("description stays", got["Description"], "d")
    check("revision changed", got["RevisionId"] != made["RevisionId"])
    config = lam.get_function_configuration(FunctionName=function, Qualifier="live")
    equal("configuration by alias", (config["FunctionArn"], config["Version"]), (f"{arn(function)}:live", "2"))
    lam.create_alias(FunctionName=function, Name="old", FunctionVersion="1")
    equal("listed", [one["Name"] for one in lam.list_aliases(FunctionName=function)["Aliases"]], ["live", "old"])
    equal("listed by version", [one["Name"] for one in lam.list_aliases(FunctionName=function, FunctionVersion="1")["Aliases"]],
          ["old"])

    def wrong(what, code, status, message, **arguments):
        refused(what, code, status, message, unchecked.create_alias,
                **{"FunctionName": function, "Name": "new", "FunctionVersion": "1", **arguments})

    def weights(value):
        return {"RoutingConfig": {"AdditionalVersionWeights": value}}

    wrong("exists", "ResourceConflictException", 409, f"Alias already exists: {arn(function)}:live", Name="live")
    wrong("number", "ValidationException", 400, "Value '2024' at 'name' failed to satisfy constraint: Member must satisfy "
          "regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)", Name="2024")
    wrong("unknown version", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}:10", FunctionVersion="10")
    wrong("unknown function", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}-x:1",
          FunctionName=f"{function}-x")
    wrong("two weights", "InvalidParameterValueException", 400,
          "Number of items in AdditionalVersionWeights cannot be greater than 1", **weights({"1": 0.1, "2": 0.1}))
    wrong("too heavy", "ValidationException", 400, "Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to "
          "satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member "
          "must have value greater than or equal to 0.0, Member must not be null]", **weights({"2": 2.0}))
    wrong("negative", "ValidationException", 400, "Value '{2=-1.0}'", **weights({"2": -1.0}))
    wrong("same version", "InvalidParameterValueException", 400, "Invalid function version 1. Function version 1 is already "
          "included in routing configuration.", **weights({"1": 0.5}))
    wrong("$LATEST routed", "ValidationException", 400, "Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' "
          "failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to "
          "1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: "
          "[0-9]+]", **weights({"$LATEST": 0.5}))
    wrong("from $LATEST", "InvalidParameterValueException", 400,
          "$LATEST is not supported for an alias pointing to more than 1 version", FunctionVersion="$LATEST",
          **weights({"1": 0.5}))
    refused("unknown alias", "ResourceNotFoundException", 404, f"Cannot find alias arn: {arn(function)}:nope",
            lam.get_alias, FunctionName=function, Name="nope")
    refused("update an unknown alias", "ResourceNotFoundException", 404, f"Alias not found: {arn(function)}:nope",
            lam.update_alias, FunctionName=function, Name="nope")
    refused("wrong revision", "PreconditionFailedException", 412, "GetFunction/GetAlias", lam.update_alias,
            FunctionName=function, Name="live", RevisionId="wrong")
    refused("invoke an unknown alias", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}:nope",
            lam.invoke, FunctionName=function, Qualifier="nope")
    refused("a version in use", "ResourceConflictException", 409, "", lam.delete_function, FunctionName=function, Qualifier="1")
    for _ in range(2):
        equal("delete is idempotent", lam.delete_alias(FunctionName=function, Name="old")["ResponseMetadata"]["HTTPStatusCode"], 204)


def tour_layers():
    layer, function = name("layer"), name()
    content = zipped({"python/in_layer.py": "VALUE = 'from the layer'\n", "data/file.txt": "layer file"})
    made = lam.publish_layer_version(LayerName=layer, Content={"ZipFile": content}, Description="d", LicenseInfo="MIT",
                                     CompatibleRuntimes=["python3.13"], CompatibleArchitectures=["x86_64"])
    layer_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{layer}"
    equal("made", (made["LayerArn"], made["LayerVersionArn"], made["Version"], made["Content"]["CodeSize"],
                   made["Content"]["CodeSha256"]),
          (layer_arn, f"{layer_arn}:1", 1, len(content), base64.b64encode(hashlib.sha256(content).digest()).decode()))
    with urllib.request.urlopen(made["Content"]["Location"]) as response:
        equal("readable", response.read(), content)
    bare = lam.publish_layer_version(LayerName=layer, Content={"ZipFile": content})
    check("nothing compatible shown when not given", "CompatibleRuntimes" not in bare and bare["Version"] == 2, bare)
    listed = lam.list_layer_versions(LayerName=layer)["LayerVersions"]
    equal("newest first", [one["Version"] for one in listed], [2, 1])
    filtered = lam.list_layer_versions(LayerName=layer, CompatibleRuntime="python3.13")["LayerVersions"]
    equal("filtered", [one["Version"] for one in filtered], [1])
    mine = [one for page in lam.get_paginator("list_layers").paginate() for one in page["Layers"] if one["LayerName"] == layer]
    equal("latest matching", mine[0]["LatestMatchingVersion"]["Version"], 2)
    equal("by arn", lam.get_layer_version_by_arn(Arn=f"{layer_arn}:1")["Version"], 1)
    code = zipped({"handler.py": "import in_layer\ndef handler(e, c):\n    return [in_layer.VALUE, open('/opt/data/file.txt').read()]\n"})
    answer = create(function, code=code, Layers=[f"{layer_arn}:1"], wait=False)
    equal("layers shown", answer["Layers"], [{"Arn": f"{layer_arn}:1", "CodeSize": len(content)}])
    equal("layer used", invoke(function, {})[1], ["from the layer", "layer file"])
    lam.delete_layer_version(LayerName=layer, VersionNumber=1)
    lam.update_function_configuration(FunctionName=function, Description="renewed")
    updated(function)
    equal("a deleted layer version stays with its function", invoke(function, {})[1][0], "from the layer")
    for _ in range(2):
        equal("delete is idempotent", lam.delete_layer_version(LayerName=layer, VersionNumber=2)["ResponseMetadata"]["HTTPStatusCode"], 204)
    equal("none left", lam.list_layer_versions(LayerName=layer)["LayerVersions"], [])
    equal("numbers are not reused", lam.publish_layer_version(LayerName=layer, Content={"ZipFile": content})["Version"], 3)
    missing = "The resource you requested does not exist."
    refused("unknown layer", "ResourceNotFoundException", 404, missing, lam.get_layer_version, LayerName="nope", VersionNumber=1)
    refused("unknown by arn", "ResourceNotFoundException", 404, missing, lam.get_layer_version_by_arn, Arn=f"{layer_arn}:99")
    refused("version zero", "InvalidParameterValueException", 400, "Layer Version Cannot be less than 1",
            lam.get_layer_version, LayerName=layer, VersionNumber=0)
    refused("arn without version", "ValidationException", 400, f"Value '{layer_arn}' at 'arn' failed to satisfy constraint",
            lam.get_layer_version_by_arn, Arn=layer_arn)
    refused("runtime filter", "ValidationException", 400, "Value 'nope' at 'compatibleRuntime' failed to satisfy constraint: "
            "Member must satisfy enum value set: [", lam.list_layers, CompatibleRuntime="nope")
    refused("two wrong lists", "ValidationException", 400, "2 validation errors detected: Value '[a]' at "
            "'compatibleRuntimes'", lam.publish_layer_version, LayerName=layer, Content={"ZipFile": content},
            CompatibleRuntimes=["a"], CompatibleArchitectures=["b"])

    def wrong(what, message, layers, code="InvalidParameterValueException"):
        refused(what, code, 400, message, create, function=name(), wait=False, Layers=layers)

    lam.publish_layer_version(LayerName=layer, Content={"ZipFile": content})
    wrong("unknown", f"Layer version {layer_arn}:99 does not exist.", [f"{layer_arn}:99"])
    wrong("twice", "Two different versions of the same layer are not allowed to be referenced in the same function. "
          f"{layer_arn}:3 and {layer_arn}:4 are versions of the same layer.", [f"{layer_arn}:3", f"{layer_arn}:4"])
    wrong("six", "Cannot reference more than 5 layers.", [f"{layer_arn}{number}:1" for number in range(6)])
    wrong("no version", f"Value '[{layer_arn}]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: "
          "[Member must have length less than or equal to 2048", [layer_arn], "ValidationException")
    wrong("elsewhere", f"Layers are not in the same region as the function. Layers are expected to be in region {REGION}.",
          [f"{layer_arn}:3".replace(REGION, "eu-west-1")])
    added = lam.add_layer_version_permission(LayerName=layer, VersionNumber=3, StatementId="s1",
                                             Action="lambda:GetLayerVersion", Principal="*")
    equal("layer policy", json.loads(lam.get_layer_version_policy(LayerName=layer, VersionNumber=3)["Policy"])["Statement"],
          [json.loads(added["Statement"])])
    lam.remove_layer_version_permission(LayerName=layer, VersionNumber=3, StatementId="s1")
