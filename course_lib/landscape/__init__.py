"""Loss landscapes: what the loss looks like around and between networks.

    from course_lib import landscape
    plane = landscape.plane_through({"random": a, "pretrained": b, "fine-tuned": c})
    for sheet in landscape.surface(plane, dogs): ...        # coarse to fine
    landscape.barrier(c, d, dogs).height                    # nats on the straight line between two networks

- vectors.py: all weights as one vector
- directions.py: planes through three networks, or along filter-normalised random directions
- ground.py: loss and accuracy of any weights on a fixed set of images; what is done about BatchNorm
- grid.py: surfaces, from coarse to fine, kept on disk
- lines.py: the straight line between two networks, and its barrier
- walks.py: the path of a training, projected on a plane
- starts.py: the loss before the first step, random against transferred
"""

from .directions import Plane, plane_through, random_plane
from .grid import Surface, surface
from .ground import Ground, Point
from .lines import Line, barrier, between
from .starts import Starts, initial_losses
from .walks import Walk, WalkPoint

__all__ = [
    "Ground",
    "Line",
    "Plane",
    "Point",
    "Starts",
    "Surface",
    "Walk",
    "WalkPoint",
    "barrier",
    "between",
    "initial_losses",
    "plane_through",
    "random_plane",
    "surface",
]
