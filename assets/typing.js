// Words that are being typed stay in the search box, whatever an answer that comes late would write there. Runs once.
const OWN = ".hit, [role=tab]"; // buttons that write nothing there
let words = null; // as they were typed; null: nothing since the last question
let caret = [0, 0]; // where the selection begins and ends

const box = () => document.querySelector("#query input");

function restore() {
  const here = box();
  if (words === null || !here || here.value === words) return;
  here.value = words;
  here.setSelectionRange(...caret);
  here.dispatchEvent(new Event("input", { bubbles: true }));
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
    if (pressed && !pressed.matches(OWN)) words = null;
  }, true);
addEventListener("popstate", () => (words = null));
watch("value", () => setTimeout(restore));
