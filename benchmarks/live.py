"""The live player in a real browser: what it costs, how fast it answers, how soon it starts.

    python benchmarks/live.py [--json] [--rounds N]

The share of headless speed that the player keeps while it draws, four panels for the playground, 64
samples and losses for DCGAN on 28x28 digits; pictures a second; milliseconds (95th percentile) from
a click on Pause to the page saying so, and from moving a slider to the page showing the new value
and a new picture; seconds from opening a fresh kernel's first cell to the first trained picture of
the playground.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.lab import Page, chromium, jupyter, wait_for, write_notebook

PLAYER = """
import time; began = time.time()
from gan_lessons.live import playground
player = playground()
player
"""
DCGAN = """
from gan_lessons.live import ImageGrid, Losses, Player
from gan_lessons.presets import preset
chosen = preset("dcgan")
player = Player(chosen.config, chosen.knobs, panels=[ImageGrid(), Losses()])
player
"""
# The same steps in the same kernel with nothing drawn, about three seconds in calls of 0.1 s.
HEADLESS = """
import time
from gan_lessons.run import Run
run = Run(player.run.config, player.run.knobs, seed=1)
run.advance(1)
began = time.perf_counter()
run.advance(5)
chunk = max(1, min(200, round(0.5 / (time.perf_counter() - began))))
began, start = time.perf_counter(), run.step
while time.perf_counter() - began < 3:
    run.advance(chunk)
print((run.step - start) / (time.perf_counter() - began))
"""
PLAYING = """
import time
a = (time.perf_counter(), player.run.step, player.front_end.sent)
time.sleep(3)
b = (time.perf_counter(), player.run.step, player.front_end.sent)
print((b[1] - a[1]) / (b[0] - a[0]), (b[2] - a[2]) / (b[0] - a[0]))
"""
# Milliseconds from an event on the page until the status says something else.
PAUSE = """async () => {
  const button = [...document.querySelectorAll(".gan-player button")].find(
    (each) => each.textContent.includes("Pause"));
  const began = performance.now();
  button.click();
  const paused = () => document.querySelector(".gan-status")?.dataset.state === "paused";
  while (!paused()) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
SLIDE = """async () => {
  const status = () => document.querySelector(".gan-status").dataset.lrD;
  const image = () => document.querySelector(".gan-player img").src;
  const label = [...document.querySelectorAll(".gan-player .widget-label")].find(
    (each) => each.textContent.includes("D's rate"));
  const handle = label.parentElement.querySelector(".noUi-handle");
  const [was, picture, began] = [status(), image(), performance.now()];
  handle.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
  while (status() === was) await new Promise(requestAnimationFrame);
  while (image() === picture) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""


def percentile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(100 * share) - 1]


def started(page: Page) -> float:
    """Seconds from running the first cell of a fresh kernel to the first trained picture."""
    began = time.perf_counter()
    page.run_all()
    page.until("paused", 120)
    page.press("Play")
    page.train_past(0)
    return time.perf_counter() - began


def throughput(page: Page, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """(steps/s while playing, pictures/s, steps/s headless), interleaved in one kernel."""
    playing, frames, headless = [], [], []
    for _ in range(rounds):
        page.press("Play")
        page.until("training")
        page.page.wait_for_timeout(1500)
        speed, rate = map(float, page.python(PLAYING).split())
        playing.append(speed)
        frames.append(rate)
        page.press("Pause")
        page.until("paused")
        headless.append(float(page.python(HEADLESS)))
    return playing, frames, headless


def answers(page: Page, times: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each Pause and of each slider move, while it trains at full speed."""
    pauses, slides = [], []
    for _ in range(times):
        page.press("Play")
        page.until("training")
        page.page.wait_for_timeout(400)
        slides.append(page.page.evaluate(SLIDE))
        page.page.wait_for_timeout(150)
        pauses.append(page.page.evaluate(PAUSE))
    return pauses, slides


def row(name: str, value: float, limit: float, unit: str, spread: list[float]) -> dict[str, Any]:
    span = f"{min(spread):.3g} to {max(spread):.3g}"
    return {"name": name, "value": value, "target": limit, "unit": unit, "spread": span}


def share(name: str, playing: list[float], headless: list[float], limit: float) -> dict[str, Any]:
    """How much of headless speed is kept while playing, round by round."""
    kept = [a / b for a, b in zip(playing, headless, strict=True)]
    return row(name, statistics.median(kept), limit, "", kept)


def pictures(browser: Any, address: str, rounds: int) -> dict[str, Any]:
    """The share of headless speed that DCGAN keeps."""
    page = Page(browser, address, "dcgan.ipynb")
    started(page)
    page.press("Pause")
    page.until("paused")
    playing, _, headless = throughput(page, rounds)
    page.close()
    return share("live DCGAN: share of headless steps/s", playing, headless, 0.85)


def measure(rounds: int, times: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name, jupyter(folder := Path(name)) as address:
        write_notebook(folder / "live.ipynb", PLAYER)
        write_notebook(folder / "dcgan.ipynb", DCGAN)
        with chromium() as browser:
            Page(browser, address, "live.ipynb").close()  # the browser's and server's first start
            starts = []
            for _ in range(3):
                page = Page(browser, address, "live.ipynb")
                starts.append(started(page))
                page.press("Pause")
                page.until("paused")
                if len(starts) < 3:
                    page.close()
            playing, frames, headless = throughput(page, rounds)
            pauses, slides = answers(page, times)
            wait_for(lambda: page.step > 0, 5, "the page")
            page.close()
            dcgan = pictures(browser, address, rounds)
    return [
        share("live: share of headless steps/s", playing, headless, 0.75),
        row("live: pictures a second", statistics.median(frames), 15, "", frames),
        row("Pause, 95th percentile", percentile(pauses, 0.95), 200, "ms", pauses),
        row("slider, 95th percentile", percentile(slides, 0.95), 200, "ms", slides),
        row("start to first trained picture", statistics.median(starts), 8, "s", starts),
        dcgan,
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="the rows as JSON on the last line")
    parser.add_argument("--rounds", type=int, default=5, help="of playing and headless training")
    parser.add_argument("--times", type=int, default=30, help="clicks on Pause, moves of a slider")
    options = parser.parse_args()
    rows = measure(options.rounds, options.times)
    for each in rows:
        print(
            f"{each['name']:38} {each['value']:8.3g} {each['unit']:2} "
            f"(target {each['target']:g}; {each['spread']})"
        )
    if options.json:
        print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
