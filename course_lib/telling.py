"""say: a sentence of a lesson whose figures come from measurements, by key, with a badge that says from which.

    say("With 10 images a class the frozen body is ahead by {less_data: frozen, 10 - scratch, 10}.")
    say("Here, just now: {found: frozen, 10 - scratch, 10}.", found=live)          # live: Findings of this page

`{claim: key}` stands for a measurement in the ledger; its key is a measurement, a difference `a - b` or a ratio `a / b`.
`{claim: key | short}` leaves the interval out, and `{claim: verdict}` is what the claim's rule says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import CourseError
from .experiments.claims import claim
from .experiments.findings import Findings

PLACE = re.compile(r"\{(\w+): ([^{}]+)\}")


@dataclass(frozen=True)
class Said:
    """A text with its figures, and where each comes from."""

    text: str
    badges: tuple[str, ...]

    def __repr__(self) -> str:
        return f"{self.text}\n[{'; '.join(self.badges)}]"

    def _repr_markdown_(self) -> str:
        return f"{self.text}\n\n<small>{'; '.join(self.badges)}</small>"


def say(text: str, **live: Findings) -> Said:
    """Fill a text with figures.

    Arguments:
        text: Markdown with `{claim: key}` where figures stand, one or more.
        live: findings of this page, under the names that the text gives them.

    Raises `CourseError` for a text without a figure, and for a claim or a key that is not there.
    """
    badges: dict[str, str] = {}

    def figure(match: re.Match[str]) -> str:
        name, (key, _, how) = match[1], match[2].partition("|")
        found = live[name] if name in live else claim(name).recorded()
        badges[name] = f"{name}: {found.badge}"
        if key.strip() == "verdict":
            return str(found.verdict)
        return found.words(key.strip(), short=how.strip() == "short")

    filled = PLACE.sub(figure, text)
    if not badges:
        raise CourseError(
            "say fills a text with figures, {claim: key}; this one has none. Plain text belongs into Markdown."
        )
    return Said(filled, tuple(badges.values()))
