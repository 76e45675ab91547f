// How Gradio's page hears from the server: by one event stream at a time, and by the answers to its events.
// A connection that was lost without a word, as on a train, would leave the page waiting for good. It is given up as if
// it had been cut: Gradio then loads the page anew.
const SILENCE = 45000; // ms; within an answer the server says something every 15 s
const BEAT = 60000; // ms between two words to the server that the page is still open
const ask = window.fetch; // as the browser has it
const streams = new Map(); // that Gradio takes for open, by name: when it has read them to their end
let beats; // that will come

async function unlessSilent(coming) {
  let timer;
  const silence = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error("The connection went silent.")), SILENCE);
  });
  try {
    return await Promise.race([coming, silence]);
  } finally {
    clearTimeout(timer);
  }
}

async function listen(request) {
  const name = Math.random().toString(36).slice(2, 14), headers = new Headers(request.headers);
  headers.set("tgem-stream", name);
  streams.set(name, new Promise((resolve) => request.signal.addEventListener("abort", resolve)));
  streams.get(name).then(() => streams.delete(name));
  // The browser's cache would have one stream wait for another of the same address, or ask for it twice.
  const answer = await unlessSilent(ask(new Request(request, { cache: "no-store", headers })));
  const reader = answer.body.getReader();
  const body = new ReadableStream({
    async pull(on) {
      try {
        const { done, value } = await unlessSilent(reader.read());
        done ? on.close() : on.enqueue(value);
      } catch (error) {
        reader.cancel().catch(() => {}); // it hangs up
        await tgem.sent?.(); // files that are on their way would be lost with the page
        throw error;
      }
    },
    cancel: (why) => reader.cancel(why),
  });
  return new Response(body, { status: answer.status, headers: answer.headers });
}

// An event that came after the end of a stream needs another one, which Gradio opens where it has read that end by then.
async function join(call) {
  const answer = await unlessSilent(ask(...call));
  const kind = answer.headers.get("content-type") ?? "";
  // No server of ours: a break, as without a proxy.
  if (answer.status > 501 && !kind.startsWith("application/json")) throw new Error("A proxy finds no server.");
  if (kind.startsWith("text/plain")) // a refusal, in the form in which Gradio shows its sentence
    return new Response(JSON.stringify({ error: await answer.text() }), { status: answer.status });
  await unlessSilent(streams.get(answer.headers.get("tgem-ended")));
  return answer;
}

// Gradio puts off what a stream tells, but not what it told of an event before that was known to be sent: of two answers
// the earlier would stand. What it puts off is told at once, as Gradio itself does on a page that nobody sees.
const putOff = window.setTimeout;
window.setTimeout = (task, delay, ...given) => (given[0]?.event_id ? task(...given) : putOff(task, delay, ...given));

// A stream of its own for that would stay open as long as the page: a browser has six connections to a host, so that of
// six tabs none would get an answer any more.
function beat(request) {
  const live = () => ask(request.url, { method: "HEAD", cache: "no-store" }).catch(() => {}); // the next one will do
  clearInterval(beats);
  beats = setInterval(live, BEAT);
  live();
  return new Response(new ReadableStream()); // which Gradio reads, and which never says anything
}

window.fetch = async (...call) => {
  const [asked] = call, { pathname } = new URL(asked.url ?? asked, location.href);
  const request = () => (asked instanceof Request ? asked : new Request(...call));
  if (pathname.endsWith("/queue/data")) return listen(request());
  if (pathname.includes("/heartbeat/")) return beat(request());
  return pathname.endsWith("/queue/join") ? join(call) : ask(...call);
};
