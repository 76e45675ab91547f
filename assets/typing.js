// Words that are being typed stay in the search box, whatever an answer that comes late would write there. Runs once.
const OWN = ".hit, [role=tab]"; // buttons that write nothing there
let words = null; // as they were typed; null: nothing since the last question
let caret = 0;

const box = () => document.querySelector("#query input");

function restore() {
  const here = box();
  if (words === null || !here || here.value === words) return;
  here.value = words;
  here.setSelectionRange(caret, caret);
  here.dispatchEvent(new Event("input", { bubbles: true }));
}

addEventListener("input", (event) => {
  if (!event.isTrusted || event.target !== box()) return;
  words = event.target.value;
  caret = event.target.selectionStart;
}, true);
addEventListener("keydown", (event) => {
  if (!event.isTrusted || event.target !== box()) return;
  restore();
  if (event.key === "Enter") words = null;
}, true);
addEventListener("click", (event) => {
  const pressed = event.isTrusted && event.target.closest?.("button, [role=option]");
  if (pressed && !pressed.matches(OWN)) words = null;
}, true);
addEventListener("popstate", () => (words = null));
watch("value", () => setTimeout(restore));
