// The Hub makes its frame as high as the page (iframe-resizer, which comes with Gradio), and scrolls outside: what is to stay
// in view, or lies over the page, goes by the part of the frame that is in view (--above and --seen in style.css).
function follow() {
  const frame = parentIFrame, { getPageInfo } = frame, { style } = document.documentElement;
  let last, others; // who asks later would take our place: Gradio does, where it shows a message
  frame.getPageInfo = (tell) => ((others = tell || null), last && others?.(last)); // false ends it
  getPageInfo((info) => {
    const above = Math.max(0, info.scrollTop - info.offsetTop), below = info.scrollTop + info.clientHeight - info.offsetTop;
    style.setProperty("--above", `${above}px`);
    style.setProperty("--seen", `min(${Math.max(below - above, 320)}px, 100dvh - ${above}px)`);
    last = info;
    others?.(info);
  });
}

// Safari does not scroll the Hub's page for what is to be seen in its frame. Where nobody has scrolled it, we ask for it.
const SCROLLED = 300; // ms after which other browsers have, and a sheet has come up
let soon = 0;
const look = new IntersectionObserver(([{ target, boundingClientRect: box, intersectionRect: seen }]) => {
  look.unobserve(target);
  const hidden = seen.top > box.top + 1 || seen.height < Math.min(box.height, 100);
  if (hidden) parentIFrame.scrollToOffset(0, box.top - 80);
});
function seek(part) {
  clearTimeout(soon);
  if (window.parentIFrame) soon = setTimeout(() => look.observe(part), SCROLLED);
}
tgem.bringIntoView = (part, how) => {
  part.scrollIntoView(how);
  seek(part);
};
// Where a key leads, and not where an answer puts the focus; a visitor who scrolls goes elsewhere.
let keyed = 0;
addEventListener("keydown", () => (keyed = performance.now()), true);
addEventListener("focusin", ({ target }) => performance.now() - keyed < 100 && seek(target));
for (const scrolls of ["wheel", "touchmove"]) addEventListener(scrolls, () => clearTimeout(soon), { passive: true });

addEventListener("gradio:iframe-resizer-ready", follow, { once: true });
if (window.parentIFrame) follow();
