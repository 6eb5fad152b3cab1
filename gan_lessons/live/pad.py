"""A sheet over a picture that reports where a finger drags."""

from __future__ import annotations

import anywidget
import traitlets

# Capture keeps a drag going outside the sheet; save_changes merges moves while Python is busy.
MODULE = """
function render({ model, el }) {
  Object.assign(el.style, { touchAction: "none", cursor: "crosshair", alignSelf: "stretch" });
  el.setAttribute("aria-label", "Drag the marked point; its sliders do the same");
  let from = [0, 0], press = 0;
  const place = ({ clientX, clientY }) => {
    const box = el.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  };
  const send = (event) => {
    model.set("drag", [press, ...from, ...place(event)]);
    model.save_changes();
  };
  el.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    el.setPointerCapture(event.pointerId);
    [press, from] = [model.get("drag")[0] + 1, place(event)];
    send(event);
  });
  el.addEventListener("pointermove", (event) => {
    if (el.hasPointerCapture(event.pointerId)) send(event);
  });
}
export default { render };
"""


class Pad(anywidget.AnyWidget):
    """A transparent sheet over a picture, for a mouse, a pen or a finger.

    Reports drags as `drag` = [number of the press, x and y where it began, x and y now].

    x and y are shares of the sheet's width and height, from its top left corner.
    """

    _esm = MODULE
    drag = traitlets.List(traitlets.Float(), default_value=[0.0] * 5).tag(sync=True)
