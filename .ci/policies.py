"""Checks printed policies with parliament; see .ci/policies."""

import subprocess
import sys

from parliament import analyze_policy_string

BOUNDARY = "arn:aws:iam::123456789012:policy/darkroom-boundary"
SCOPES = [
    [],
    ["--experiment", "smoke", "--account", "123456789012", "--region", "eu-central-1"],
    ["--experiment", "smoke", "--account", "123456789012", "--region", "me-central-1"],
]
# A trust policy has no resource, which parliament asks for in every policy.
POLICIES = [["person"], ["person", "--boundary", BOUNDARY], ["functions"], ["boundary"]]


def findings(darkroom: str, arguments: list[str]) -> list[str]:
    asked = subprocess.run([darkroom, "iam-policy", *arguments], capture_output=True, text=True, check=True)
    found = analyze_policy_string(asked.stdout).findings
    return [f"{' '.join(arguments)}: {finding.issue}: {finding.detail} {finding.location}" for finding in found]


def main() -> int:
    darkroom = sys.argv[1]
    # A linter that finds nothing in a wrong policy would prove nothing.
    wrong = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:Envoke", "Resource": "*"}]}'
    if not analyze_policy_string(wrong).findings:
        print("parliament accepts an action that does not exist")
        return 1
    said = [line for policy in POLICIES for scope in SCOPES for line in findings(darkroom, policy + scope)]
    print("\n".join(said) or f"{len(POLICIES) * len(SCOPES)} policies, no finding")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
