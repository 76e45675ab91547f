// The address follows what is on show: gallery, query, order, year, tab, photo and the screen of a presentation. Back and
// Forward, and a reload, bring that back: the first four by asking Python, which checks who may see what; the rest by the
// page's own buttons. Runs once, for the tools.
// What Python may listen to: "go".
const PATIENCE = 8000; // ms that a place may take to come back
const SETTLE = 250; // ms: changes within them are one step
const ASKED = ["gallery", "q", "order", "year"]; // of Python
const NAMES = [...ASKED, "tab", "photo", "present"];
const DROPPED = /^photo:dropped\b[ +]*/; // a picture of one's own is in this session alone

const one = (selector) => document.querySelector(selector);
const same = (a, b, names = NAMES) => names.every((name) => (a?.[name] ?? "") === (b?.[name] ?? ""));
// As the answer on show has it: in the box itself another may be chosen already.
const chosen = (box, usual) => {
  const value = one(`#arrangement select[name=${box}] [selected]`)?.value ?? usual;
  return value === usual ? "" : value;
};
const read = () => Object.fromEntries(NAMES.map((name) => [name, new URLSearchParams(location.search).get(name) ?? ""]));

// What is on show, or null while nothing is.
function shown() {
  const answer = one("#answer [data-gallery]");
  if (!answer) return null;
  const tab = one("#tabs [role=tab][aria-selected=true]")?.dataset.tabId ?? "";
  return {
    gallery: answer.dataset.gallery,
    q: answer.dataset.query,
    order: chosen("order", "arrival"),
    year: chosen("year", "any"),
    tab: tab === "results" ? "" : tab,
    photo: one(".panel[data-picked]")?.dataset.photo ?? "",
    present: one("dialog.present[open]")?.dataset.screen ?? "",
  };
}

function address(place) {
  const terms = new URLSearchParams(location.search); // what is not ours stays: the Hub hands its frame a theme
  for (const [name, value] of Object.entries({ ...place, q: place.q.replace(DROPPED, "") }))
    value ? terms.set(name, value) : terms.delete(name);
  return location.pathname + (`${terms}` && `?${terms}`); // Safari 16 knows no `terms.size`
}

let target = null; // the place that is being gone to
let until = 0;
let steps = new Set(); // what has been asked for on the way there
let waiting = 0;
let going = null; // what was asked for last: asked again, it would come twice
let gone = null; // the same, and whatever the visitor has asked for since
let asked = 0; // how often Python was asked; each answer says which question was the last before it
let told = ""; // the number that the answer on show has brought
let own = false; // the visitor has pressed a tab
let bare = null; // what was on show where the address asked for nothing
let led = false; // the last step was a tab that a question has opened: its answer is of the same step

const number = () => one("#answer [data-gallery]")?.dataset.step ?? "";
// What is on show may read the same, and be what an earlier question is about to replace.
const isComing = () => going && Date.now() < going.until && number() !== going.step;

function go(place) {
  if (isComing() && same(going, place, ASKED)) return;
  going = gone = { ...place, step: String(++asked), until: Date.now() + PATIENCE };
  trigger("go", { ...Object.fromEntries(ASKED.map((name) => [name, place[name] ?? ""])), step: going.step });
}

function goTo(place) {
  target = place;
  until = Date.now() + PATIENCE;
  steps = new Set();
  follow();
}

function step(name, take) {
  if (!steps.has(name)) take();
  steps.add(name);
}

function select(photo) {
  one("#panel .problem")?.classList.add("old"); // until the panel is drawn anew
  trigger("select", { photo });
}

const isRefused = () => steps.has("photo") && one("#panel .problem:not(.old)");

// One step nearer to the target; whether it is reached. A photo that is gone since is left out.
function approach(now) {
  // A gallery or a picture that is not there any more: what came in its place is where this step leads.
  if (now && going && number() === going.step && !same(now, going, ["gallery", "q"])) target = now;
  if (!now || !same(now, target, ASKED) || isComing()) {
    step("go", () => go(target));
    return false;
  }
  going = null;
  if (now.tab !== target.tab) step("tab", () => one(`#tabs [data-tab-id="${CSS.escape(target.tab || "results")}"]`)?.click());
  else if (now.photo !== target.photo) {
    if (!target.photo) tgem.unselect();
    else if (isRefused()) target = { ...target, photo: "" };
    else step("photo", () => select(target.photo));
  } else if (now.present !== target.present) {
    const screens = one("dialog.present[open]");
    if (!target.present) screens?.close();
    else if (screens) screens.dispatchEvent(new CustomEvent("turn", { detail: target.present }));
    else step("present", () => trigger("present", { screen: target.present }));
  } else return true;
  return false;
}

const kept = () => ({ presented: history.state?.presented });
const isSheet = (panel) => panel && getComputedStyle(panel).position === "fixed";

function follow() {
  waiting = 0;
  const now = shown();
  if (target) {
    if (Date.now() < until && !approach(now)) return later();
    target = null;
    told = number();
    if (now) history.replaceState({ ...kept(), ...now }, "", address(now));
    return;
  }
  const late = number() !== told && same(now, gone, ASKED); // the answer to a step that the visitor has not waited for
  told = number();
  if (!now || same(now, history.state)) return;
  const answered = led && !same(now, history.state, ASKED);
  const but = (name) => same(now, history.state, NAMES.filter((other) => other !== name));
  const turned = but("present") && history.state?.present; // screens are one step of Back
  if (turned && !now.present && history.state.presented) return history.back(); // which closing them takes
  const selected = but("photo") && !isSheet(one("#panel .panel")); // beside the results it is no step
  const viewed = history.state?.viewer; // that step stays on top until the viewer is closed
  led = but("tab") && !own;
  own = false;
  if (turned || selected || viewed || late || answered) history.replaceState({ ...history.state, ...now }, "", address(now));
  else history.pushState({ ...now, presented: Boolean(now.present) && but("present") }, "", address(now)); // a step of its own
}

// A visitor who asks for something else on the way there goes no further.
const CONTROLS = "button, select, [role=option]";
const asks = (event) => ["drop", "paste"].includes(event.type) || event.key === "Enter" || event.target.closest?.(CONTROLS);
for (const type of ["click", "mousedown", "keydown", "drop", "paste"])
  addEventListener(type, (event) => event.isTrusted && asks(event) && (target = going = null), true);

function later() {
  waiting ||= setTimeout(follow, SETTLE);
}

// Of a step without a state: Safari loses the first one in a frame whose page was loaded anew.
const placeOfAddress = () => (location.search ? null : bare) ?? read();

// The first answer: what the address asked for beyond it is brought, too. An address that asks for nothing stays bare.
function begin() {
  const now = shown();
  if (!now) return;
  begun.disconnect();
  const there = read();
  if (target) follow(); // Back was faster
  else if (history.state?.viewer) history.back(); // a reload has closed it
  else if (location.search) goTo({ ...now, tab: there.tab, photo: there.photo, present: there.present });
  else history.replaceState((bare = now), "");
  new MutationObserver(later).observe(document.body, {
    subtree: true,
    childList: true,
    attributeFilter: ["aria-selected", "data-picked", "data-photo", "data-screen", "open"],
  });
}

const begun = new MutationObserver(begin);
begun.observe(document.body, { subtree: true, childList: true });
addEventListener("click", (event) => (own ||= event.isTrusted && Boolean(event.target.closest?.("[role=tab]"))), true);
addEventListener("popstate", () => (led = false));
addEventListener("popstate", () => one("#gallery input:focus")?.blur()); // left later, it would tell of its old value
addEventListener("popstate", (event) => (tgem.closesViewer?.() ? later() : goTo(event.state ?? placeOfAddress())));

// Safari empties the box when Back brings a page again as it was left, for it has no autocompletion.
let named = "";
addEventListener("pagehide", () => (named = one("#gallery input")?.value ?? ""));
addEventListener("pageshow", ({ persisted }) => {
  if (persisted && named) setTimeout(() => (one("#gallery input").value = named));
});

// Words that were typed and not answered outlive a reload, as the one after the connection was lost (first.js); those
// that were asked are asked once more. With the code 229 Enter is an input method's and ends what it composes; Safari tells
// of it after the composition's end.
let sent = "";
const asksWords = ({ type, key, keyCode, target }) =>
  type === "click" ? target.closest?.("#query .submit-button") : key === "Enter" && keyCode !== 229 && target.closest?.("#query");
for (const type of ["click", "keydown"])
  addEventListener(type, (event) => {
    if (!asksWords(event)) return;
    sent = one("#query input").value;
    if (shown()?.q?.endsWith(sent)) return; // the same again
    const old = document.querySelectorAll("#answer .answer, #grid .grid"); // until the answer is drawn, or for a while
    old.forEach((part) => part.classList.add("waiting"));
    setTimeout(() => old.forEach((part) => part.classList.remove("waiting")), 20000);
  }, true);
addEventListener("pagehide", () => {
  const words = one("#query input")?.value ?? "", { q } = shown() ?? {};
  const unanswered = words === sent && words !== sessionStorage.getItem("tgem-again") && !q?.endsWith(words);
  sessionStorage.setItem("tgem-words", words === q ? "" : words);
  sessionStorage.setItem("tgem-asked", unanswered ? words : "");
});
