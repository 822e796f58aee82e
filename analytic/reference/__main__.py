"""`python -m analytic.reference regenerate | verify [--stride N]`."""

from __future__ import annotations

import argparse
import json
import sys

from analytic.reference import VALUES, load
from analytic.reference.freeze import differences, freeze


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analytic.reference", description="The frozen reference values.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("regenerate", help="make values.json anew (about a minute)")
    verify = commands.add_parser("verify", help="make the values again and compare; exit 1 on a difference")
    verify.add_argument("--stride", type=int, default=1, help="every N-th point only")
    options = parser.parse_args(arguments)
    if options.command == "regenerate":
        VALUES.write_text(json.dumps(freeze(), indent=1) + "\n", encoding="utf-8")
        print(f"{VALUES}: {VALUES.stat().st_size} bytes")
        return 0
    found = list(differences(load(), options.stride))
    for line in found:
        print(line)
    print(f"{len(found)} differences" if found else "all digits agree", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
