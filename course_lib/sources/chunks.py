"""Drawing many images on all cores, a few at a time, so that a chunk's numbers stay in the processor's cache.

draw_in_chunks(draw, len(streams), size=8, progress=None)      # calls draw(slice(0, 8)), draw(slice(8, 16)), ...
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

Progress = Callable[[int, int], None]


def draw_in_chunks(draw: Callable[[slice], None], count: int, size: int, progress: Progress | None) -> None:
    """Call `draw` for `count` rows, `size` at a time, in as many threads as torch has, each with one thread of torch.

    Arguments:
        draw: draws the images of a slice of rows and puts them where they belong.
        progress: called with (images done, images to draw) after each chunk, or None.
    """
    chunks = [slice(start, start + size) for start in range(0, count, size)]
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for done, _ in enumerate(pool.map(draw, chunks), start=1):
                if progress is not None:
                    progress(min(done * size, count), count)
    finally:
        torch.set_num_threads(threads)  # a thread's own setting is also the default of threads to come
