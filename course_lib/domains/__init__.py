"""Domains and tasks after Pan and Yang: two of them are drawn, compared by measurement, and transferred between.

    source = Domain("source").images("breed", per_class=25)
    target = Domain("target", style="sketch", seed=1).images("breed")
    measure(Panel(Domain("source")), Panel(Domain("target", seed=1), "pose"), Looker()).statement.why

The files, in the order of the work: `animals` (a domain: which pictures), `tasks` (which labels), `marginal` (whether two
samples of pictures can be told apart), `compare` (what differs, in words), `panels` (both sides together), `transfer` (one
small transfer, run at once), `plan` (its settings), `page` (what the widget's page is told). The widget is widgets/domain_task_lab.py.
"""

from .animals import KNOBS, SHARES, SIZES, Domain
from .compare import KINDS, Part, Statement, compare
from .marginal import Looker, Pixels, Sample, TwoSample, pixel_statistics, tell_apart
from .panels import Measured, Panel, measure
from .plan import Plan
from .tasks import ASKED, TASKS, SamePictures, counts, labels_of, same_pictures, task_classes
from .transfer import Result, TransferStep, gain_interval, quick_transfer

__all__ = [
    "ASKED",
    "KINDS",
    "KNOBS",
    "SHARES",
    "SIZES",
    "TASKS",
    "Domain",
    "Looker",
    "Measured",
    "Panel",
    "Part",
    "Pixels",
    "Plan",
    "Result",
    "SamePictures",
    "Sample",
    "Statement",
    "TransferStep",
    "TwoSample",
    "compare",
    "counts",
    "gain_interval",
    "labels_of",
    "measure",
    "pixel_statistics",
    "quick_transfer",
    "same_pictures",
    "task_classes",
    "tell_apart",
]  # fmt: skip
