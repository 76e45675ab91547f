// The viewer: one photo over the whole screen. It is filled from the data on the photos' own buttons.
const viewer = element.querySelector("dialog.viewer");
const shown = (name) => viewer.querySelector(name);
const hitsOf = (part) => (part ? [...part.querySelectorAll("li [data-large]")] : []);
let list = null; // the part of the page whose photos the arrows turn
let photo = null; // the number of the one on show
let awaited = null; // stops waiting for more of the list
let leaving = false; // its own step of Back is being taken
let last = null; // the element of the photo that was seen last

const choosing = () => document.body.classList.contains("choosing");
const place = () => hitsOf(list).findIndex((hit) => hit.dataset.photo === photo);

function fill(button) {
  const data = button.dataset, hits = hitsOf(list);
  photo = data.photo;
  const picture = new Image(); // the old one would stay under the new name while this one is on its way
  picture.onerror = () => (shown(".facts").textContent = "This photo is not there any more.");
  picture.src = data.large;
  picture.alt = (button.alt ?? button.querySelector("img")?.alt)?.replace(/, full screen$/, "") ?? data.name;
  shown(".stage img").replaceWith(picture);
  shown("#viewed-name").textContent = data.name;
  const at = place(), more = list?.querySelector(".more");
  const standing = at < 0 ? "" : `${at + 1} of ${hits.length}${more || list?.querySelector(".rest") ? "+" : ""}`;
  shown(".facts").textContent = [data.taken, data.pixels, standing].filter(Boolean).join(" · ");
  const strip = button.closest("li, .panel")?.querySelector(".strip");
  shown(".ran").replaceChildren(...(strip ? [strip.cloneNode(true)] : []));
  shown(".share").textContent = data.saved;
  Object.assign(shown(".keep"), { href: data.large, download: data.save });
  Object.assign(shown(".original"), { href: data.original ?? "", download: data.name.split("/").pop(), hidden: !data.original });
  shown(".earlier").ariaDisabled = at <= 0; // a disabled one would lose the focus, and the arrow keys with it
  shown(".later").ariaDisabled = at < 0 || (at === hits.length - 1 && !more);
  for (const near of [hits[at - 1], hits[at + 1]]) if (at >= 0 && near) new Image().src = near.dataset.large;
}

function open(button) {
  const hit = button.closest("li") ? button : document.querySelector(`#grid .hit[data-photo="${button.dataset.photo}"]`);
  list = hit?.closest(".album, [id]") ?? null;
  if (!viewer.open) {
    viewer.showModal();
    history.pushState({ ...history.state, viewer: true }, ""); // Back closes it
  }
  fill(hit ?? button);
  shown(".shut").focus();
}

// At the end of a list that goes on the rest is asked for, and turned to when it is there.
function fetchMore() {
  const before = photo, more = list?.querySelector(".more");
  if (!more || awaited) return;
  more.click();
  const look = new MutationObserver(() => {
    const at = place();
    if (at < 0 || !hitsOf(list)[at + 1]) return;
    awaited();
    if (viewer.open && photo === before) turn(1);
  });
  const patience = setTimeout(() => awaited?.(), 20000);
  awaited = () => (look.disconnect(), clearTimeout(patience), (awaited = null));
  look.observe(list, { childList: true, subtree: true });
}

function turn(step) {
  const hits = hitsOf(list), at = place();
  if (at < 0) return;
  if (hits[at + step]) fill(hits[at + step]);
  else if (step === 1) fetchMore();
}

function jump(end) {
  const hits = hitsOf(list);
  if (hits.length && place() >= 0) fill(hits.at(end));
}

function close() {
  awaited?.();
  viewer.close();
  leaving = Boolean(history.state?.viewer);
  if (leaving) history.back();
}

// On the page again, the photo seen last is the selected one.
function shut() {
  close();
  shown(".stage img").removeAttribute("src");
  const hit = hitsOf(list)[place()];
  const panel = document.querySelector("#panel .panel"), enlarge = panel?.querySelector(".enlarge");
  if (hit && panel?.dataset.photo !== photo && hit.closest("#grid")) hit.click();
  const liesOver = enlarge && getComputedStyle(panel).position === "fixed"; // a sheet
  last = liesOver ? enlarge : (hit ?? enlarge);
  last?.focus();
}

Object.assign(ours, {
  earlier: () => turn(-1),
  later: () => turn(1),
  shut,
  alike: () => {
    const asked = photo;
    close();
    last = document.querySelector("#tabs [data-tab-id=results]"); // where the answer will be
    last.focus();
    trigger("alike", { photo: asked });
  },
});

// Of the whole document: in Safari a button that is clicked takes no focus, and what had it loses it.
document.addEventListener("keydown", (event) => {
  if (!viewer.open || event.altKey || event.ctrlKey || event.metaKey) return;
  const { earlier, later } = ours, ends = { Home: () => jump(0), End: () => jump(-1) };
  const act = { ArrowLeft: earlier, PageUp: earlier, ArrowRight: later, PageDown: later, ...ends }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
viewer.addEventListener("cancel", (event) => (event.preventDefault(), shut()));
// Whether a step of Back was the viewer's, and leads nowhere: the place behind it is on show.
tgem.closesViewer = () => {
  const closes = viewer.open || leaving;
  if (viewer.open) shut();
  leaving = false;
  // The browser scrolls to where the page was when the viewer was opened.
  if (closes) requestAnimationFrame(() => last && tgem.bringIntoView(last, { block: "nearest" }));
  return closes;
};

// Fingers turn and close, but where they have zoomed in: there they look around.
const zoomed = () => visualViewport.scale > 1.01;
visualViewport.addEventListener("resize", () => viewer.classList.toggle("zoomed", zoomed()));
let touched = null; // where a finger came down
viewer.addEventListener("touchstart", ({ touches }) => (touched = touches.length === 1 && !zoomed() ? touches[0] : null), { passive: true });
viewer.addEventListener("touchend", (event) => {
  if (!touched) return;
  const x = event.changedTouches[0].clientX - touched.clientX, y = event.changedTouches[0].clientY - touched.clientY;
  if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) turn(x < 0 ? 1 : -1);
  else if (y > 90) shut();
});

// A photo that is selected already, its large picture, and two quick clicks open it.
const isPicked = (hit) => document.querySelector(`.panel[data-picked][data-photo="${hit.dataset.photo}"]`);
document.addEventListener("click", (event) => {
  const button = event.target.closest?.(".enlarge, [data-large]");
  if (!button || (choosing() && button.closest("#found")) || (button.matches(".hit") && !(event.isTrusted && isPicked(button)))) return;
  event.stopPropagation();
  open(button);
}, true);
document.addEventListener("dblclick", (event) => {
  const hit = event.target.closest?.(".hit[data-large]");
  if (hit && !choosing() && !viewer.open) open(hit);
});
// A photo of an album is a picture, not a button.
document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.("img[data-large]") || !["Enter", " "].includes(event.key)) return;
  event.preventDefault();
  open(event.target);
});
