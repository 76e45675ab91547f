
// Present mode: a dialog over the whole screen; arrow keys turn its screens, Escape leaves.
let screen = 0;
const dialog = () => element.querySelector("dialog");

function turn(step) {
  const screens = [...dialog().querySelectorAll(".screen")];
  screen = Math.min(Math.max(screen + step, 0), screens.length - 1);
  screens.forEach((one, place) => (one.hidden = place !== screen));
  dialog().querySelector(".page").textContent = `${screen + 1} / ${screens.length}`;
}

function leave() {
  dialog()?.close();
  if (document.fullscreenElement) document.exitFullscreen();
}

Object.assign(ours, { on: () => turn(1), back: () => turn(-1), leave });

document.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 }[event.key];
  if (!step || !dialog()?.open || (event.key === " " && event.target.matches("button"))) return;
  event.preventDefault();
  turn(step);
});
element.addEventListener("close", () => document.fullscreenElement && document.exitFullscreen(), true);
document.addEventListener("fullscreenchange", () => {
  if (!document.fullscreenElement && dialog()?.open) dialog().close(); // Escape left the full screen: leave both
});

watch("value", () => {
  if (!dialog()) return;
  screen = 0;
  if (!dialog().open) dialog().showModal();
  turn(0);
  dialog().querySelector("[data-event=on]").focus();
  document.documentElement.requestFullscreen?.().catch(() => {});
});
