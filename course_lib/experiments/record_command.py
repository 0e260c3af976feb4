"""`course record`: measure claims of the course at full size and write them to data/ledger/.

course record                           # the claims: recorded or not, and whether they held
course record less_data forgetting      # measure these anew
"""

from __future__ import annotations

import argparse

from .claims import NAMES, claim
from .ledger import LEDGER, read, recorded_names, write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `course record`."""
    parser.add_argument("name", nargs="*", metavar="CLAIM", help="what to measure; none = list all claims")
    parser.add_argument("--size", choices=("small", "full"), default="full", help="default: full")
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="repetitions, 2 or more (default: as many as the size has)"
    )


def command(options: argparse.Namespace) -> int:
    """Measure, or list; returns the exit status."""
    chosen = [claim(name) for name in dict.fromkeys(options.name)]
    if not chosen:
        for name in NAMES:
            told = f"{read(name).verdict}  [{read(name).badge}]" if name in recorded_names() else "not recorded yet"
            print(f"{name}: {claim(name).says}\n    {told}")
        return 0
    for each in chosen:
        work, last = each.measure(options.size, options.seeds), -1
        while True:
            try:
                at = next(work)
            except StopIteration as end:
                found = end.value
                break
            if int(20 * at.progress) > last:
                last = int(20 * at.progress)
                print(f"{each.name}  {at.progress:4.0%}  {at.text}", flush=True)
        path = write(found, LEDGER)
        print(f"{each.name}: {found.verdict}\n    {found.seconds:.0f} s, {path.name}")
    return 0
