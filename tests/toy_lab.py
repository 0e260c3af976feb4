"""The smallest lab: it counts. For tests of what all labs share (run.py, lab.py, front/common.js)."""

from __future__ import annotations

import time

import traitlets

from course_lib import plots
from course_lib.errors import CourseError
from course_lib.widgets.lab import FRONT, Lab
from course_lib.widgets.run import Run

SCRIPT = """
export default lab("counter", ({ model, live, root, on, send }) => {
  const chart = lineChart(), table = dataTable("counts", [{ name: "count", number: true }, { name: "state" }]);
  root.append(
    field(on, model, "count", "count to", { kind: "range", min: 1, max: 5000, step: 1 }),
    runButtons(on, live, send), statusBar(on, live), chart.node, table.node);
  on(live, "change:curve", () => chart.draw({
    series: [{ name: "count", points: floats(live.get("curve"), 2) }],
    x: { label: "step", min: 0 }, y: { label: "count", min: 0 }, alt: `counted to ${floats(live.get("curve"), 2).length}` }));
  on(live, "change:shown", () => table.draw(live.get("shown").rows ?? []));
});
"""


class Counter(Lab):
    """Counts to `count`, a step every `pause` seconds."""

    _esm = (FRONT / "common.js").read_text() + SCRIPT
    _css = (FRONT / "common.css").read_text()
    commands = ("train", "stop", "step", "reset", "crash")
    count = traitlets.Int(20).tag(sync=True)

    def __init__(self, count: int = 20, pause: float = 0.001) -> None:
        self.pause, self.rows, self.run = pause, [], None
        super().__init__(count=count)
        self.reset()

    @traitlets.validate("count")
    def _check(self, proposal):
        if not 1 <= proposal["value"] <= 5000:
            raise CourseError(f"count={proposal['value']} is out of range; it is a whole number from 1 to 5000.")
        return proposal["value"]

    def train(self) -> None:
        self.worker.train(self._going())

    def step(self) -> None:
        self.worker.train(self._going(), until=lambda item: True)

    def train_here(self) -> None:
        self.worker.here(self._going())

    def stop(self) -> None:
        self.worker.stop()

    def reset(self) -> None:
        self.run = None
        self.worker.ask(
            lambda: self.live.show(state="ready", status="ready to count", progress=0.0, curve=b"", rows=[])
        )

    def crash(self) -> None:
        raise ValueError("asked to crash")

    def _going(self) -> Run:
        if self.run is None or self.run.state in ("done", "failed"):
            count = self.count
            self.run = Run(lambda: self._numbers(count), lambda items, state: self._publish(items, state, count))
        return self.run

    def _numbers(self, count):
        for number in range(1, count + 1):
            if number == 666:
                raise CourseError("666 is not counted.")
            time.sleep(self.pause)
            yield number

    def _publish(self, items, state, count) -> None:
        import numpy as np

        if state in ("done", "stopped"):
            self.rows.append([len(items), state])
        self.live.show(
            state=state,
            status=f"{state}: {len(items)} of {count}",
            progress=len(items) / count,
            curve=np.array([(i, n) for i, n in enumerate(items)], np.float32).tobytes(),
            rows=list(self.rows),
        )

    def picture(self) -> plots.Picture:
        fig, axes = plots.figure(4, 2)
        axes[0][0].plot([0, self.count], [0, self.count])
        return plots.Picture(fig, self.sentence())

    def sentence(self) -> str:
        return f"counts to {self.count}; {self.live.status or 'ready'}"
