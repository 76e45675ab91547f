// The Hub makes its frame as high as the page (iframe-resizer, which comes with Gradio), and scrolls outside: what is to stay
// in view, or lies over the page, goes by the part of the frame that is in view (--above and --seen in style.css).
function follow() {
  addEventListener("focusin", ({ target }) => target.matches(":focus-visible") && seek(target));
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
  if (seen.top > box.top + 1 || seen.height < Math.min(box.height, 100)) parentIFrame.scrollToOffset(0, box.top - 80);
});
function seek(part) {
  clearTimeout(soon);
  soon = setTimeout(() => look.observe(part), SCROLLED);
}
tgem.bringIntoView = (part, how) => {
  part.scrollIntoView(how);
  if (window.parentIFrame) seek(part);
};

addEventListener("gradio:iframe-resizer-ready", follow, { once: true });
if (window.parentIFrame) follow();
