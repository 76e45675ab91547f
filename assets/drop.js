// What Python may listen to: "drop" "begin" "cut".
// Files come in: dropped or pasted anywhere on the page, or chosen. They are sent in small groups beside Gradio, so that
// what has arrived is taken in at once, and a page that is closed half-way loses one group and no more.
const FILES_AT_ONCE = 8, BYTES_AT_ONCE = 4e6, REQUESTS = 2, MOST = 2000, HASHED = 50 * 2 ** 20, TRIES = 5;
const UNDER_WAY = "tgem-upload"; // names what is being sent, and what waits: it outlives a reload
const waitingUploads = []; // files, the drop they are of and a name, each to be announced once the one before is over
let sending = null; // the upload of this page that goes on

const isImage = (file) => file.type.startsWith("image/") || /\.(hei[cf]|avif|jxl)$/i.test(file.name);
const mayBePhoto = (file) => !file.name.startsWith(".") && (isImage(file) || /\.(zip|tiff?|jpe?g)$/i.test(file.name));
const line = (file) => `${file.size}/${file.lastModified}/${(file.webkitRelativePath || file.name).replace(/[\r\n]/g, " ")}`;

const newNonce = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16)).join("");

// Python remembers which gallery is named now: by the time the last files are announced it may be another one.
function add(files) {
  const all = [...files], drop = newNonce();
  trigger("drop", { drop });
  for (let start = 0; start < all.length; start += MOST)
    waitingUploads.push({ drop, nonce: newNonce(), files: all.slice(start, start + MOST) });
  sending ? remember() : announce();
}

const remember = () => sessionStorage.setItem(UNDER_WAY, [sending, ...waitingUploads].map((one) => one.nonce).join(" "));

function announce() {
  const upload = waitingUploads.shift();
  sending = null;
  sessionStorage.removeItem(UNDER_WAY);
  if (!upload) return;
  sending = { ...upload, next: 0, id: null, came: new Set() };
  remember();
  trigger("begin", { drop: upload.drop, nonce: upload.nonce, files: upload.files.map(line).join("\n") });
}

async function post(upload, rest, body) {
  for (let attempt = 0; ; attempt++) {
    let answer = null;
    try {
      answer = await fetch(`incoming/${upload.id}/${rest}`, { method: "POST", body });
    } catch {
      if (attempt === TRIES) throw Error("The connection is gone; drop the same files again, and what is missing is sent.");
      await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** attempt));
      continue;
    }
    if (answer.ok) return answer.json();
    throw Object.assign(new Error(await answer.text()), { status: answer.status });
  }
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// What a file's bytes add up to; null where the browser cannot tell (a page without https), or the file is unreadable.
async function digest(file) {
  if (!crypto.subtle || file.size > HASHED) return null;
  return file.arrayBuffer().then((bytes) => crypto.subtle.digest("SHA-256", bytes)).then(hex, () => null);
}

function group(upload) {
  const numbers = [];
  let bytes = 0;
  while (upload.next < upload.files.length && numbers.length < FILES_AT_ONCE && bytes < BYTES_AT_ONCE) {
    const number = upload.next++;
    if (upload.came.has(number)) continue;
    numbers.push(number);
    bytes += upload.files[number].size;
  }
  return numbers;
}

async function sendGroups(upload, most = Infinity) {
  for (let numbers; most && (numbers = group(upload)).length; most--) {
    const sums = await Promise.all(numbers.map((number) => digest(upload.files[number])));
    const asked = numbers.map((number, at) => sums[at] && `${number} ${sums[at]}`).filter(Boolean);
    if (asked.length) note(upload, await post(upload, "known", asked.join("\n")));
    const form = new FormData(), wanted = [];
    for (const number of numbers.filter((one) => !upload.came.has(one))) {
      const readable = await upload.files[number].slice(0, 1).arrayBuffer().catch(() => null);
      if (readable) wanted.push(number) && form.append("files", upload.files[number], upload.files[number].name);
    }
    if (!wanted.length) continue;
    await post(upload, `files?at=${wanted.join(",")}`, form);
    wanted.forEach((number) => upload.came.add(number));
  }
}

const note = (upload, answer) => answer.known.forEach((number) => upload.came.add(number));

async function send(upload) {
  try {
    note(upload, await post(upload, "known", "")); // what an earlier upload has settled
    await sendGroups(upload, 1); // the first files come first
    await Promise.all(Array.from({ length: REQUESTS }, () => sendGroups(upload)));
  } catch (error) {
    if (upload !== sending) return;
    const rest = upload.files.filter((_, number) => !upload.came.has(number));
    const { drop, told } = upload, slept = error.status === 410; // this page did, for too long
    if (slept && rest.length && !told) waitingUploads.unshift({ drop, nonce: newNonce(), files: rest });
    else if (!slept && error.status !== 409) complain(error.message); // 409: it was stopped, or has failed, which is told
  }
  navigator.sendBeacon(`incoming/${upload.id}/left`); // what did not come until now will not
}

let complaint = "";
function complain(words) {
  complaint = words;
  const told = element.querySelector(`.arriving[data-nonce="${sending?.nonce}"] span`) ?? element.querySelector(".arriving span");
  if (words && told && !told.querySelector("em")) told.append(" ", Object.assign(document.createElement("em"), { textContent: words }));
}

watch("value", () => {
  complain(complaint);
  if (!sending) return;
  const told = element.querySelector(`.arriving[data-nonce="${sending.nonce}"]`);
  if (!told) return;
  if (told.dataset.state !== "coming") {
    sending.told = true;
    return announce();
  }
  if (sending.id) return;
  sending.id = told.dataset.upload;
  complaint = "";
  sending.sent = send(sending);
});

// Until what is being sent is there, or cannot be: the connection that tells of it is lost, and Gradio will load the page anew.
tgem.sent = async () => {
  if (!sending?.sent) return;
  complain("The connection was lost. What is left is still sent, and then the page is loaded anew.");
  await sending.sent;
};

addEventListener("pagehide", () => sending?.id && navigator.sendBeacon(`incoming/${sending.id}/left`));
addEventListener("beforeunload", (event) => {
  if (waitingUploads.length || (sending?.id && sending.came.size < sending.files.length)) event.preventDefault();
});

// The page was loaded anew in the middle of uploads that Python may know nothing of: they waited, or it has begun anew, too.
const cut = sessionStorage.getItem(UNDER_WAY);
const ask = () => {
  if (!document.querySelector("#answer [data-gallery]")) return setTimeout(ask, 1000); // Python does not know yet who asks
  trigger("cut", { nonces: cut });
  if (!sending) sessionStorage.removeItem(UNDER_WAY);
};
if (cut) ask();

// A picture to search with goes the way of the button beside the search box.
function searchBy(file) {
  const input = document.querySelector("#picture")?.parentElement.querySelector("input[type=file]");
  if (!input) return;
  const one = new DataTransfer();
  one.items.add(file);
  input.files = one.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

// A dropped folder is a tree that has to be walked; its entries must be taken out before the first wait.
async function filesBelow(entry) {
  if (entry.isFile) return new Promise((resolve) => entry.file((file) => resolve([file]), () => resolve([])));
  const reader = entry.createReader(), found = [];
  for (let entries; (entries = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])))).length; )
    found.push(...(await Promise.all(entries.map(filesBelow))).flat());
  return found.filter(mayBePhoto);
}

async function carried(data) {
  const items = [...data.items].filter((item) => item.kind === "file");
  const taken = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = await Promise.all(taken.map((one) => (!one ? [] : one instanceof File ? [one] : filesBelow(one))));
  return found.flat();
}

// A folder without photos: nothing is sent, and that is said.
const nothing = Object.assign(document.createElement("p"), { className: "arriving", role: "alert" });
nothing.innerHTML =
  "<span>There is no picture in that folder, nor in any below it.</span>" +
  '<button type="button" data-event="hush">Dismiss</button>';

function addOrSay(files) {
  nothing.remove();
  if (files.length) add(files);
  else document.querySelector("#notice .html-container > div").prepend(nothing);
}

// While files are held over the page two fields say what letting go of them does.
const fields = Object.assign(document.createElement("div"), { className: "fields", hidden: true });
fields.innerHTML = '<div data-do="search"><b>Search with this picture</b></div><div data-do="add"><b></b></div>';
document.querySelector(".gradio-container").append(fields);
const holds = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

// A picture of this page would count as a file, too: a click that moves a little would upload it.
document.addEventListener("dragstart", (event) => event.target.matches?.("img") && event.preventDefault());

document.addEventListener("dragover", (event) => {
  if (!holds(event)) return;
  event.preventDefault();
  fields.hidden = false;
  const adds = document.querySelector("#adds-to .html-container > div"); // beside it Gradio counts what an answer takes
  fields.querySelector("[data-do=add] b").textContent = adds.textContent.trim();
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file"); // a page's picture brings its address, too
  const { type } = items[0] ?? { type: "image/" }; // Safari tells of no file before it is dropped: it may be a picture
  fields.classList.toggle("many", items.length > 1 || !type.startsWith("image/"));
  const over = event.target.closest?.("[data-do]");
  fields.querySelectorAll("[data-do]").forEach((field) => field.classList.toggle("over", field === over));
});
document.addEventListener("dragleave", (event) => event.relatedTarget || (fields.hidden = true));
document.addEventListener("drop", async (event) => {
  if (!holds(event)) return;
  event.preventDefault();
  const field = event.target.closest?.("[data-do]")?.dataset.do ?? (event.target.closest?.("#ask") ? "search" : "add");
  fields.hidden = true;
  const files = await carried(event.dataTransfer);
  if (field === "search" && files.length === 1 && isImage(files[0])) searchBy(files[0]);
  else addOrSay(files);
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  const words = event.clipboardData?.types.includes("text/plain") && event.target.closest?.("input, textarea");
  if (!files.length || words) return;
  event.preventDefault();
  if (files.length === 1 && isImage(files[0])) searchBy(files[0]);
  else add(files);
});
document.addEventListener("change", (event) => {
  if (!event.target.matches?.("#files input[type=file]")) return;
  const files = [...event.target.files];
  addOrSay(event.target.webkitdirectory ? files.filter(mayBePhoto) : files);
  event.target.value = "";
});
