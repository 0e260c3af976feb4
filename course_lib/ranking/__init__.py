"""Which source will help? Scores from frozen features and labels, asked before anything is trained, and how well they order.

    from course_lib.ranking import agreement, score
    bodies = {name: cl.load("pawnet", weights=name) for name in ("animals", "photos", "textures")}
    scores = {name: score(net, dogs, per_class=10) for name, net in bodies.items()}
    agreement([s.logme for s in scores.values()], measured_gaps)       # rank correlation, and how often chance does as well

scores.py has the formulas, on arrays; asking.py puts them to a network; agreement.py compares two orders, and
picture.py draws sources in the order of a score.
"""

from .agreement import Agreement, agreement
from .asking import Scores, score
from .scores import h_score, leep, linear_cka, logme, nce, nearest_mean, shrinkage

__all__ = [
    "Agreement",
    "Scores",
    "agreement",
    "h_score",
    "leep",
    "linear_cka",
    "logme",
    "nce",
    "nearest_mean",
    "score",
    "shrinkage",
]
