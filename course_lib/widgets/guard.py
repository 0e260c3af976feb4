"""A training in a thread, and a cell that writes into the same network: seen, and said in a sentence.

for record in guarded(net, fit(net, dogs, recipe)): ...
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import CourseError
from ..network import Network
from ..training.records import Record


def guarded(net: Network, records: Iterator[Record]) -> Iterator[Record]:
    """The records, unless another cell writes into the network: seen by the number of writes that torch counts for each tensor.

    Between two steps there are none; in a step there are as many as in the step before, within one stage. A write between the
    two passes of a step is seen by autograd.
    """
    tensors = [tensor for block in net.blocks for tensor in block.state()]
    left, usual, stage = [tensor._version for tensor in tensors], None, -1
    try:
        for record in records:
            found = [tensor._version for tensor in tensors]
            writes = [now - then for now, then in zip(found, left, strict=True)]
            steady = record.phase == "train" and not record.note
            if steady and usual is not None and stage == record.stage and writes != usual:
                raise _changed_elsewhere()
            usual, stage = (writes if steady else None), record.stage
            yield record
            left = [tensor._version for tensor in tensors]
            if left != found:
                raise _changed_elsewhere()
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error):  # autograd's words for a write between its two passes
            raise
        raise _changed_elsewhere() from error
    finally:
        records.close()


def _changed_elsewhere() -> CourseError:
    return CourseError(
        "The network of this run was changed by another cell while it trained, so the run has ended. Train `lab.trained.copy()` "
        "elsewhere, and leave this one to the lab."
    )
