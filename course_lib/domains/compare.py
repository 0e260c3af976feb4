"""What differs between two domains and two tasks, and which kind of transfer that is: in words that follow from measurements.

    statement = compare(source, target, "breed", "pose", test, pictures)
    statement.kind, statement.why
    [(part.name, part.same, part.words) for part in statement.parts]

After Pan and Yang 2010 (A Survey on Transfer Learning, sections 2.2 and 2.3): D = {X, P(X)}, T = {Y, P(Y given X)}. Domains
differ if the feature space or the marginal does, tasks if the label space or the conditional does.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import CourseError
from .animals import Domain
from .marginal import LEVEL, TwoSample
from .tasks import SamePictures, task_classes

KINDS = {  # (same domain, same task) -> what it is called
    (True, True): "ordinary learning",
    (True, False): "inductive transfer",
    (False, True): "transductive transfer (domain adaptation)",
    (False, False): "inductive transfer from another domain",
}


@dataclass(frozen=True)
class Part:
    """One of the four things that can differ: whether it is the same, and by what."""

    name: str
    same: bool
    words: str
    same_words: str = "same"

    @property
    def verdict(self) -> str:
        """`same`, `differs`, or for what is only measured, `no difference found`."""
        return self.same_words if self.same else "differs"


@dataclass(frozen=True)
class Statement:
    """What differs, and what that is called.

    Attributes:
        parts: feature space, marginal, label space, conditional.
        kind: one of the values of `KINDS`.
        why: one to three plain sentences.
    """

    parts: tuple[Part, Part, Part, Part]
    kind: str
    why: str

    @property
    def same_domain(self) -> bool:
        """Whether neither the feature space differs nor the marginal was found to."""
        return self.parts[0].same and self.parts[1].same

    @property
    def same_task(self) -> bool:
        """Whether neither the label space nor the conditional differs."""
        return self.parts[2].same and self.parts[3].same


def compare(
    source: Domain, target: Domain, source_task: str, target_task: str, test: TwoSample, pictures: SamePictures
) -> Statement:
    """Name what differs.

    Arguments:
        source, target: the domains.
        source_task, target_task: the tasks asked of them.
        test: of the marginals, from `tell_apart`.
        pictures: what both tasks say of the same pictures, from `same_pictures`.

    Raises `CourseError` for two domains of one seed: their samples would not be independent.
    """
    if source.seed == target.seed:
        raise CourseError(
            f"Source and target both have seed={source.seed}, so they may show the same animals, and no test could say whether P(X) "
            f"differs. Give the target another seed, such as seed={source.seed + 1}."
        )
    spaces = [task_classes(*side) for side in _sides(source, target, source_task, target_task)]
    parts = (
        _feature_space(source, target),
        Part("marginal P(X)", not test.differs, _marginal(test), "no difference found"),
        _label_space(*spaces),
        _conditional(source_task, target_task, pictures),
    )
    same_domain, same_task = parts[0].same and parts[1].same, parts[2].same and parts[3].same
    kind = KINDS[same_domain, same_task]
    settings = source.differs(target)
    why = _why(same_domain, same_task, source, target, _question(source_task, target_task, spaces), test)
    if settings and same_domain:
        why += f" The settings do differ in {'; '.join(settings)}. That this is not seen in {test.count} pictures of each does not show that P(X) is the same."
    elif not settings and not same_domain:
        why += " Yet the settings of both domains are the same: this is one of the 5 in 100 cases in which chance looks like a difference. Draw other animals."
    return Statement(parts, kind, why)


def _sides(source: Domain, target: Domain, source_task: str, target_task: str) -> list[tuple[str, str, bool]]:
    return [(source_task, source.animals, source.cats), (target_task, target.animals, target.cats)]


def _feature_space(source: Domain, target: Domain) -> Part:
    numbers = [f"{d.size} x {d.size} x 3 = {3 * d.size**2:,}" for d in (source, target)]
    if source.size == target.size:
        return Part("feature space X", True, f"{numbers[0]} numbers a picture in both")
    return Part(
        "feature space X", False, f"{numbers[0]} numbers a picture, then {numbers[1]}; the net scales both to 64 px"
    )


def _marginal(test: TwoSample) -> str:
    return f"{test.count} pictures of each: means {test.apart:.2f} spreads apart, p = {test.p_words}"


def _label_space(first: tuple[str, ...], second: tuple[str, ...]) -> Part:
    if first == second:
        return Part("label space Y", True, f"the same {len(first)} labels")
    shared = len(set(first) & set(second))
    return Part("label space Y", False, f"{len(first)} labels, then {len(second)}; {shared or 'none'} in common")


def _conditional(source_task: str, target_task: str, pictures: SamePictures) -> Part:
    name = "conditional P(Y given X)"
    if not pictures.shared:
        return Part(name, False, f"none of {pictures.pictures:,} pictures has a label under both tasks")
    all_of = pictures.shared == pictures.pictures
    these = (
        f"{pictures.shared:,} pictures"
        if all_of
        else f"the {pictures.shared:,} of {pictures.pictures:,} pictures with a label under both"
    )
    if pictures.same:
        return Part(name, True, f"{these}: the same label under both tasks")
    return Part(name, False, f"{these}: {pictures.agree:,} get the same label ({source_task}, then {target_task})")


def _question(source_task: str, target_task: str, spaces: list[tuple[str, ...]]) -> str:
    first, second = map(len, spaces)
    if source_task != target_task:
        return f"the question changes from {source_task} ({first} labels) to {target_task} ({second} labels)"
    if spaces[0] != spaces[1]:
        return f"the question is {source_task} in both, but its labels are others ({first}, then {second})"
    return f"the question is {source_task} in both, with the same {first} labels"


def _why(same_domain: bool, same_task: bool, source: Domain, target: Domain, question: str, test: TwoSample) -> str:
    told = f"p = {test.p_words}; below {LEVEL} counts as a difference"
    alike = f"No difference between the pictures was found ({told})"
    changed = "; ".join(source.differs(target)) or "no setting"
    other = f"The pictures differ ({changed}; {told})"
    if source.size != target.size:
        other = f"The pictures differ, already in their size ({changed}; {told})"
    if same_domain and same_task:
        return f"{alike}, and {question}. Nothing is left to transfer: the source's examples are more examples of the target."
    if same_domain:
        return f"{alike}; {question}. What was learned about the pictures has to serve another task, and labels of the target teach it."
    if same_task:
        return (
            f"{other}; {question}. What was learned is moved to other pictures. Pan and Yang mean a target without labels; "
            "below, a new head gets a few."
        )
    return (
        f"{other}, and {question}. Pan and Yang call it inductive because the tasks differ, whatever the domains do; "
        "with no labels on either side it would be unsupervised transfer."
    )
