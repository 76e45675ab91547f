// Present mode: a dialog over the whole screen. Arrow keys turn its screens, "n" shows the words to say, Escape leaves.
// The screen stands in `data-screen`, which the address follows.
const NOTED = "tgem-notes"; // whether the notes are shown: it outlives a reload
const dialog = () => element.querySelector("dialog");
const at = () => Number(dialog().dataset.screen);

function turnTo(number) {
  const screens = [...dialog().querySelectorAll(".screen")], notes = dialog().querySelectorAll(".say p");
  const screen = Math.min(Math.max(number, 1), screens.length);
  screens.forEach((one, place) => (one.hidden = place + 1 !== screen));
  notes.forEach((one, place) => (one.hidden = place + 1 !== screen));
  dialog().querySelector(".page").textContent = `${screen} / ${screens.length}`;
  dialog().dataset.screen = screen;
}

function showNotes(on) {
  sessionStorage.setItem(NOTED, on ? "yes" : "");
  dialog().querySelector(".say").hidden = !on;
  dialog().querySelector("[data-event=say]").setAttribute("aria-pressed", on);
}

// A part of the dialog, not the page: Safari would lay a page in full screen over its open dialogs.
function fullScreen() {
  if (!document.fullscreenElement) dialog().firstElementChild.requestFullscreen?.().catch(() => {});
}

function leave() {
  dialog()?.close();
  if (document.fullscreenElement) document.exitFullscreen();
}

// What the hours of the last screen cost, at the price that the presenter types.
function price(input) {
  // "$ 3" and "3 EUR" are 3; "1,000" is a thousand, "0,125" an eighth.
  const typed = input.value.replace(/[^\d.,]/g, "").replace(/^([1-9]\d{0,2}),(\d{3})(?!\d)/, "$1$2");
  const hour = Number(typed.replace(",", "."));
  const [early, full] = [...input.closest(".screen").querySelectorAll("[data-hours]")].map((one) => one.dataset.hours * hour);
  const money = (amount) => amount.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  input.closest(".price").querySelector("output").textContent = hour > 0 ? `${money(early)} in place of ${money(full)}` : "";
}

Object.assign(ours, {
  on: () => turnTo(at() + 1),
  back: () => turnTo(at() - 1),
  say: () => showNotes(dialog().querySelector(".say").hidden),
  leave,
});

document.addEventListener("keydown", (event) => {
  if (!dialog()?.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input") && !event.key.startsWith("Page")) return; // a presenter's clicker types no price
  const on = at() + 1, back = at() - 1;
  const to = { ArrowRight: on, PageDown: on, " ": on, ArrowLeft: back, PageUp: back, Home: 1, End: Infinity }[event.key];
  if (event.key === "n") return ours.say();
  if (to === undefined || (event.key === " " && event.target.matches("button"))) return;
  event.preventDefault();
  fullScreen(); // a reload has left it, and only a key or a click may ask for it
  turnTo(to);
});
element.addEventListener("input", (event) => event.target.closest(".price") && price(event.target));
element.addEventListener("turn", (event) => turnTo(Number(event.detail)), true);
element.addEventListener("close", () => document.fullscreenElement && document.exitFullscreen(), true);
document.addEventListener("fullscreenchange", () => {
  if (!document.fullscreenElement && dialog()?.open) dialog().close(); // Escape left the full screen: leave both
});

watch("value", () => {
  if (!dialog() || dialog().open) return;
  dialog().showModal();
  element.querySelectorAll(".price input").forEach(price); // what was typed the last time stands there still
  showNotes(sessionStorage.getItem(NOTED) === "yes");
  dialog().querySelector("[data-event=on]").focus();
  fullScreen();
});
