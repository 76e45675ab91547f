// A connection that was lost without a word, as on a train, would leave the page waiting for good. It is given up as if
// it had been cut: Gradio then loads the page anew.
const SILENCE = 45000; // ms; within an answer the server says something every 15 s
const ask = (tgem.fetch ??= window.fetch); // as the browser has it, if the page is drawn again

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

window.fetch = async (...request) => {
  const { pathname } = new URL(request[0].url ?? request[0], location.href);
  const isStream = pathname.endsWith("/queue/data");
  if (!isStream && !pathname.endsWith("/queue/join")) return ask(...request);
  // The browser's cache would have one stream wait for another of the same address, or ask for it twice.
  const call = isStream ? [new Request(request[0], { ...request[1], cache: "no-store" })] : request;
  const answer = await unlessSilent(ask(...call));
  if (!isStream || !answer.body) return answer;
  const reader = answer.body.getReader();
  const body = new ReadableStream({
    async pull(stream) {
      try {
        const { done, value } = await unlessSilent(reader.read());
        done ? stream.close() : stream.enqueue(value);
      } catch (error) {
        reader.cancel().catch(() => {}); // it hangs up
        throw error;
      }
    },
    cancel: (why) => reader.cancel(why),
  });
  return new Response(body, { status: answer.status, headers: answer.headers });
};
