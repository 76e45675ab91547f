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
addEventListener("gradio:iframe-resizer-ready", follow, { once: true });
if (window.parentIFrame) follow();
