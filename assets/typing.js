// Words that are being typed stay in the search box, whatever an answer that comes late would write there. Runs once.
const OWN = ".hit, [role=tab]"; // buttons that write nothing there
let words = null; // as they were typed; null: nothing since the last question
let caret = [0, 0]; // where the selection begins and ends

const box = () => document.querySelector("#query input");

function write(text) {
  box().value = text;
  box().dispatchEvent(new Event("input", { bubbles: true }));
}

function restore() {
  if (words === null || !box() || box().value === words) return;
  write(words);
  box().setSelectionRange(...caret);
}

addEventListener("input", (event) => {
  if (!event.isTrusted || event.target !== box()) return;
  words = event.target.value;
}, true);
document.addEventListener("selectionchange", () => {
  const here = box();
  if (document.activeElement === here && here.value === words) caret = [here.selectionStart, here.selectionEnd];
});
addEventListener("keydown", (event) => {
  if (!event.isTrusted || event.isComposing) return;
  if (event.target === box()) restore();
  if (event.key === "Enter" && event.target.closest?.("#query, #gallery")) words = null;
}, true);
for (const [type, parts] of [["click", "button"], ["mousedown", "[role=option]"]])
  addEventListener(type, (event) => {
    const pressed = event.isTrusted && event.target.closest?.(parts);
    if (!pressed) return;
    if (!pressed.matches(OWN)) words = null;
    if (pressed.dataset.event === "again") write(pressed.dataset.query); // at once: Enter may come before the answer
  }, true);
addEventListener("popstate", () => (words = null));
watch("value", () => setTimeout(restore));
