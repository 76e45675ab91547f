// Runs once for each of our HTML parts (app/scripts.py). `element`, `trigger` and `watch` come from Gradio's HTML component,
// `ours` holds what a part's buttons do without asking Python.
// What Python may listen to: "select" "again" "alike" "unlike" "dismiss" "deepen" "explain" "discard" "export" "more" "present" "show" "preset".
const PATIENCE = 4000; // ms that a button looks pressed at most
const MOST_IN_A_ZIP = 1000; // photos, as app/picture_zip.py has it

// The selection ends, whatever is still told of it.
tgem.unselect ??= () => {
  const panel = document.querySelector(".panel[data-picked]");
  if (panel) tgem.closed = panel.dataset.picked;
  panel?.removeAttribute("data-picked");
};

// At once, however long what is to be seen there takes; the keyboard goes along.
tgem.openTab ??= (name) => {
  const tab = document.querySelector(`#tabs [data-tab-id=${name}]`);
  tab.click();
  tab.focus();
};

function mark(hit) {
  document.querySelectorAll(".hit[aria-current]").forEach((other) => other.removeAttribute("aria-current"));
  hit?.setAttribute("aria-current", "true");
}

// A sheet lies over what was selected: the keyboard goes there with it.
let sheet = ""; // the selection
function show(panel) {
  mark(document.querySelector(`#grid .hit[data-photo="${panel.dataset.photo}"]`));
  const comesUp = panel.dataset.picked !== sheet && getComputedStyle(panel).position === "fixed";
  if (comesUp && !document.activeElement.matches("input, textarea")) panel.querySelector(".close").focus();
  sheet = panel.dataset.picked;
}

function close() {
  tgem.unselect();
  document.querySelector('.hit[aria-current="true"]')?.focus();
}

// Choosing: while it lasts, a click on a photo of the grid ticks it; all that are ticked are deleted or saved together,
// in a closed stack or not. What is ticked outlives a second look at the same answer, and more photos of it.
const chosen = (tgem.chosen ??= { photos: new Set(), at: "", last: "" }); // of all parts
const choosing = () => document.body.classList.contains("choosing");
const hits = () => [...document.querySelectorAll("#grid .hit")];
const openHits = () => hits().filter((hit) => !hit.parentElement.hidden); // not those within a stack
const ticked = () => hits().filter((hit) => hit.getAttribute("aria-pressed") === "true");

function answerOnShow() {
  const { gallery, query } = document.querySelector("#answer .answer")?.dataset ?? {};
  return JSON.stringify([gallery, query]);
}

// Cards and buttons as they should be: a part that is drawn anew knows nothing of it.
function showTicks() {
  const on = choosing();
  document.querySelectorAll("#answer .answer > span").forEach((span) => (span.hidden = span.matches(".choice") !== on));
  for (const hit of hits())
    on ? hit.setAttribute("aria-pressed", chosen.photos.has(hit.dataset.photo)) : hit.removeAttribute("aria-pressed");
  const count = ticked().length;
  for (const [name, words] of [["discard", "Delete"], ["zip", "Download ZIP"]]) {
    const button = document.querySelector(`#answer [data-event=${name}]`);
    if (!button) continue;
    const tooMany = name === "zip" && count > MOST_IN_A_ZIP;
    button.disabled = !count || tooMany;
    if (tooMany) button.textContent = `A ZIP holds ${MOST_IN_A_ZIP} at most`;
    else button.textContent = !count ? words : name === "zip" ? `Download ${count} as ZIP` : `Delete ${count}`;
  }
}

function tick(hits, on) {
  for (const { dataset } of hits) chosen.photos[on ? "add" : "delete"](dataset.photo);
  showTicks();
}

// One photo, or with Shift all from the one that was clicked before.
function tickUpTo(hit, shift) {
  const open = openHits(), before = open.findIndex(({ dataset }) => dataset.photo === chosen.last), at = open.indexOf(hit);
  const range = shift && before >= 0 && at >= 0 ? open.slice(Math.min(before, at), Math.max(before, at) + 1) : [hit];
  chosen.last = hit.dataset.photo;
  tick(range, hit.getAttribute("aria-pressed") !== "true");
}

function choose(on) {
  document.body.classList.toggle("choosing", on);
  chosen.photos.clear();
  chosen.at = answerOnShow();
  chosen.last = "";
  showTicks();
  const next = on ? "#answer .choice button" : "#answer span:not(.choice) > [data-event=choose]";
  if (document.activeElement.closest("#answer")) document.querySelector(next)?.focus(); // what was pressed is hidden now
}

async function discard(button) {
  const panel = button.closest(".panel"); // its own button, whatever is ticked meanwhile
  const photos = (panel ? [panel] : ticked()).map((part) => part.dataset.photo);
  const which = photos.length === 1 ? "this photo" : `these ${photos.length} photos`;
  if (!(await tgem.ask(`Delete ${which} for good?`, "Delete"))) return;
  choose(false);
  if (panel) close(); // its place in the results has the focus then
  else document.querySelector("#tabs [data-tab-id=results]").focus();
  trigger("discard", { photos: photos.join(" ") });
}

// A photo is named by the address that it was shown at, as `ID/TOKEN`: who was not shown it cannot name it.
const named = (address) => address.replace(/^photo\/(\d+)\/large\/(\w+)\.jpg$/, "$1/$2");

tgem.zip ??= async (addresses, name) => {
  try {
    const answer = await fetch("photos.zip", { method: "POST", body: addresses.map(named).join("\n") });
    if (!answer.ok) throw new Error(await answer.text());
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `${name}.zip`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (error) {
    const refusal = error.name === "Error" && error.message; // else it is the browser's, such as "Load failed"
    tgem.tell(refusal || "The ZIP did not arrive; try again.");
  }
};

async function zip(button) {
  if (button.ariaBusy === "true") return; // it keeps the focus, which a disabled one would lose
  button.ariaBusy = "true";
  button.textContent = "Packing …";
  await tgem.zip(ticked().map((hit) => hit.dataset.large), "photos");
  button.ariaBusy = null;
  showTicks();
}

const comeIntoView = (part) => tgem.bringIntoView(part, { block: innerWidth < 760 ? "start" : "nearest" });

// A race is played again in the time that it took: nothing is computed.
function replay() {
  const lanes = element.querySelector(".lanes");
  lanes.classList.add("still");
  lanes.getBoundingClientRect(); // the browser sees them stand still
  lanes.classList.remove("still");
}

async function copy(text, button) {
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = words), 1600);
  } catch {
    tgem.tell("Copy this address", text); // without https the clipboard is closed to us
  }
}

const address = (rest) => location.origin + location.pathname + rest;
const link = (published) => address("?gallery=" + published.dataset.link);
const showLinks = () => element.querySelectorAll("[data-link]").forEach((shown) => (shown.textContent = link(shown)));
showLinks(); // in a tab that is drawn late, with all that it shows
Object.assign(ours, {
  copy: (button) => copy(link(button.parentElement.querySelector("[data-link]")), button),
  share: (button) => copy(address(button.dataset.opens), button),
  choose: () => choose(!choosing()),
  all: () => tick(openHits(), true),
  discard,
  zip,
  replay,
  hush: (button) => button.parentElement.remove(),
  look: () => {
    tgem.openTab("add");
    setTimeout(() => comeIntoView(document.querySelector("#account"))); // once the tab is open
  },
  recode: () => tgem.openTab("gallery"),
  reload: () => location.reload(),
});

// The selected photo, where it lies over the results as a sheet.
const sheetUp = () => {
  const panel = document.querySelector(".panel[data-picked]");
  return panel && getComputedStyle(panel).position === "fixed" && !document.querySelector("dialog[open]") ? panel : null;
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".close")) return close();
  const name = button.dataset.event;
  if (ours[name]) return ours[name](button);
  if (!name) return;
  if (button.matches("#grid .hit") && choosing()) return tickUpTo(button, event.shiftKey);
  if (button.matches(".hit")) mark(button);
  pressed = { button, name };
  button.classList.toggle("waiting", !button.matches(".hit") && name !== "present"); // until its part is drawn anew,
  setTimeout(() => button.classList.remove("waiting"), PATIENCE); // or an answer, or for a while where other parts change
  if (name === "again" && !event.detail) document.querySelector("#query input").focus(); // by keyboard: others stand there next
  if (name === "alike") {
    tgem.bringIntoView(document.body); // its answer begins there
    if (sheetUp()) document.querySelector("#tabs [data-tab-id=results]").focus(); // the sheet goes
  }
  if (name === "preset") // the slider goes to the pressed one (app/wiring.py)
    element.querySelectorAll("[data-event=preset]").forEach((other) => (other.ariaPressed = other === button));
  if (name === "unlike") document.querySelector("#query input").focus(); // the chip goes
  if (name === "show" || (name === "select" && !button.matches("#grid .hit"))) tgem.openTab("results");
  trigger(name, { ...button.dataset });
});

// The photo over or under another one; rows may be short, as the last before relevance falls off.
function across(hits, at, down) {
  const boxes = hits.map((hit) => hit.getBoundingClientRect());
  const away = boxes.map(({ top }) => (top - boxes[at].top) * down);
  const row = Math.min(...away.filter((rise) => rise > 8));
  const aside = (box) => Math.abs(box.left - boxes[at].left);
  const there = hits.map((_, other) => other).filter((other) => Math.abs(away[other] - row) < 8);
  return hits[there.sort((a, b) => aside(boxes[a]) - aside(boxes[b]))[0]];
}

element.addEventListener("keydown", (event) => {
  const hits = [...element.querySelectorAll("li:not([hidden]) > .hit")];
  const at = hits.indexOf(event.target);
  if (event.key === "Escape" && element.closest("#answer, #grid, #panel")) return choosing() ? choose(false) : close();
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return; // with one of those they are the browser's own
  const next = {
    ArrowRight: () => hits[at + 1],
    ArrowLeft: () => hits[at - 1],
    ArrowDown: () => across(hits, at, 1),
    ArrowUp: () => across(hits, at, -1),
  }[event.key]?.();
  if (!next) return;
  event.preventDefault();
  next.focus();
});

// Help closes when the visitor turns to something else.
const help = element.querySelector(".reading");
if (help) {
  for (const when of ["click", "focusin"])
    document.addEventListener(when, (event) => help.contains(event.target) || (help.open = false));
  // A sheet that the keyboard leaves would lie over what it goes to.
  document.addEventListener("focusin", ({ target }) => {
    const panel = target.matches(":focus-visible") && sheetUp();
    if (panel && !panel.contains(target)) tgem.unselect();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !help.open) return;
    help.open = false;
    help.querySelector("summary").focus();
  });
  // Words in the gallery box that name no gallery are undone when it is left: Enter leaves it. Where there are none
  // Gradio would take the first gallery, unless arrows have chosen one. Its list is no guide: it follows a key too late.
  let before = "";
  document.addEventListener("keydown", (event) => {
    if (!event.target.closest("#gallery")) return;
    if (event.key === "Enter") {
      if (!event.target.value && !/Arrow|Home|End/.test(before)) event.stopPropagation();
      setTimeout(() => document.querySelector("#query input").focus(), 100); // once Gradio has read the words: left before, they would be undone
    }
    before = event.key;
  }, true);
  // Gradio leaves the list of a box open that the keyboard leaves, over what comes next; told twice, it closes it.
  document.addEventListener("focusout", ({ target, isTrusted }) => {
    if (isTrusted && target.matches("[role=combobox]")) setTimeout(() => target.dispatchEvent(new FocusEvent("blur")));
  });
}

let pressed = null; // the button that was pressed last, and what it did
let running = false; // photos are on their way into a gallery
let shown; // the photo that the panel shows

watch("value", () => {
  // What is drawn anew takes the elements that are there: a picture on its way would leave the one before under its name.
  for (const image of element.querySelectorAll("img")) image.complete || image.replaceWith(image.cloneNode());
  const panel = element.querySelector(".panel"), picked = panel?.matches("[data-picked]") && panel;
  if (panel && panel.dataset.photo !== shown) panel.scrollTop = 0; // one photo's element becomes the next one's
  shown = panel?.dataset.photo;
  if (picked && picked.dataset.picked === tgem.closed) tgem.unselect(); // closed before it was drawn anew
  else if (picked) show(picked);
  const outcome = element.querySelector(".outcome"); // told where the button that it was asked by may be another one now
  if (outcome && pressed?.name === "deepen" && document.activeElement === pressed.button) {
    outcome.tabIndex = -1;
    outcome.focus();
    pressed = null;
  }
  if (element.closest("#answer, #grid") && choosing()) chosen.at === answerOnShow() ? showTicks() : choose(false);
  const begun = Boolean(element.querySelector(".encoding"));
  if (begun && !running && element.closest("#account")) comeIntoView(element);
  running = begun;
  (element.closest("#answer") ? document : element).querySelectorAll(".waiting").forEach((button) => button.classList.remove("waiting"));
  element.closest("#suggestions")?.querySelector(".examples")?.scrollTo({ left: 0 }); // others stand there now
  showLinks();
});
