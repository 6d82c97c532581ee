// The console without this script works as well; with it filters apply at once, rows can be ticked
// together, the editor shows its preview while one types, and a new workspace shows its first
// answer as it comes.
for (const form of document.querySelectorAll("form.filters")) {
  form.addEventListener("change", (event) => {
    if (event.target.tagName === "SELECT") form.requestSubmit();
  });
}

const bulk = document.querySelector("form.bulk");
const first = bulk && bulk.querySelector("thead th");
if (first && bulk.querySelector("input[name=ids]")) {
  const all = document.createElement("input");
  all.type = "checkbox";
  all.setAttribute("aria-label", first.textContent);
  first.replaceChildren(all);
  all.addEventListener("change", () => {
    for (const box of bulk.querySelectorAll("input[name=ids]")) box.checked = all.checked;
  });
}

const editor = document.getElementById("editor");
const frame = document.getElementById("preview");
if (editor && frame) {
  let waiting = 0;
  const show = async () => {
    const body = new URLSearchParams(new FormData(editor));
    const reply = await fetch(editor.dataset.preview, { method: "POST", body });
    if (reply.ok) frame.srcdoc = await reply.text();
  };
  editor.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => show().catch(() => {}), 400);
  });
}

const steps = document.querySelector(".first-run");
if (steps) {
  setInterval(async () => {
    const reply = await fetch(location.href).catch(() => null);
    if (!reply || !reply.ok) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const fresh = page.querySelector(".first-run");
    if (fresh && fresh.innerHTML !== steps.innerHTML) steps.replaceChildren(...fresh.childNodes);
  }, 5000);
}
