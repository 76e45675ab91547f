// Words that are being typed stay in the search box, whatever an answer that comes late would write there. Runs once.
const OWN = ".hit, [role=tab]"; // buttons that write nothing there
let words = null; // as they were typed; null: nothing since the last question
let caret = [0, 0]; // where the selection begins and ends
let whole = null; // what is selected, where it is all that stands there
let around = null; // the texts before and behind what an input method is composing

const box = () => document.querySelector("#query input");

function write(text) {
  box().value = text;
  box().dispatchEvent(new Event("input", { bubbles: true }));
}

function remember() {
  const here = box();
  if (document.activeElement === here && here.value === words) caret = [here.selectionStart, here.selectionEnd];
}

// Who has selected all to write anew writes anew, though an answer has put other words there meanwhile.
function reselect() {
  const here = box();
  if (document.activeElement !== here) return (whole = null);
  if (words === null && whole !== null && here.value !== whole) here.select();
  whole = here.value && here.selectionEnd - here.selectionStart === here.value.length ? here.value : null;
}

function restore() {
  if (words === document.querySelector("#answer [data-gallery]")?.dataset.query) words = null; // answered
  if (words === null || around || !box() || box().value === words) return;
  write(words);
  box().setSelectionRange(...caret);
}

addEventListener("input", (event) => {
  if (!event.isTrusted || event.target !== box()) return;
  words = event.target.value;
  remember(); // a change of the selection is told of later, and an answer may come first
}, true);
document.addEventListener("selectionchange", remember);
// A change of the selection is told of later than the key that made it, and an answer may come first.
for (const type of ["selectionchange", "keyup", "mouseup"]) document.addEventListener(type, reselect);
// What is composed while an answer writes there begins anew in the answer's words: it is put where it had begun.
addEventListener("compositionstart", ({ target }) => {
  if (target === box()) around ??= [target.value.slice(0, target.selectionStart), target.value.slice(target.selectionEnd)];
}, true);
addEventListener("compositionend", ({ data }) => {
  if (!around) return;
  words = around.join(data);
  caret = Array(2).fill(around[0].length + data.length);
  around = null;
  restore();
}, true);
addEventListener("keydown", (event) => {
  if (!event.isTrusted || event.isComposing) return;
  if (event.target === box()) restore(), reselect();
  const asks = event.key === "Enter" && event.keyCode !== 229; // an input method's, which ends what it composes
  if (asks && event.target.closest?.("#query, #gallery")) words = null;
}, true);
for (const [type, parts] of [["click", "button"], ["mousedown", "[role=option]"]])
  addEventListener(type, (event) => {
    const pressed = event.isTrusted && event.target.closest?.(parts);
    if (!pressed) return;
    if (!pressed.matches(OWN)) words = null;
    if (pressed.dataset.event !== "again") return;
    write((words = pressed.dataset.query)); // at once: Enter may come before the answer
  }, true);
addEventListener("popstate", () => (words = null));
watch("value", () => setTimeout(restore));
