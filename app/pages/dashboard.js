// The dashboard works without this script too. With it:
// - filters apply at once, rows can be ticked together, and Escape closes what a click has opened;
// - secrets and addresses have a button to copy them;
// - charts say their values under the pointer and by the arrow keys;
// - the editor and a brand's colour show their preview while one types;
// - the first answer of a workspace and the first event of a sender appear when they come.
for (const form of document.querySelectorAll("form.filters")) {
  // A choice by the keyboard is applied by Enter or the button: each arrow is a change.
  let keys = false;
  form.addEventListener("keydown", () => (keys = true));
  form.addEventListener("pointerdown", () => (keys = false));
  form.addEventListener("change", (event) => {
    const dates = form.querySelector("select[name=period]");
    if (event.target.type === "date" && dates) dates.value = "dates";
    if (event.target.tagName === "SELECT" && !keys) form.requestSubmit();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "SELECT") return;
    event.preventDefault();
    form.requestSubmit();
  });
  // After a reload the focus returns to the same field.
  form.addEventListener("submit", () => {
    const name = keys && document.activeElement.name;
    if (name) sessionStorage.setItem("filter", name);
  });
  const name = sessionStorage.getItem("filter");
  sessionStorage.removeItem("filter");
  if (name) form.elements[name]?.focus();
}

// Escape closes what a click has opened, and the focus stays with what opened it.
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && event.target.closest("details[open]:not(.more-filters, .panel)");
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

for (const field of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = field.dataset.copy;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    field.select();
    await navigator.clipboard?.writeText(field.value).catch(() => document.execCommand("copy"));
    button.textContent = field.dataset.copied;
    button.focus();
  });
  field.closest(".copyable").append(button);
}

const bulk = document.querySelector("form.bulk");
if (bulk) {
  const all = bulk.querySelector("[data-all]");
  const count = bulk.querySelector("[data-count]");
  const boxes = [...bulk.querySelectorAll("input[name=ids]")];
  all.hidden = false;
  bulk.addEventListener("change", (event) => {
    if (all.contains(event.target)) for (const box of boxes) box.checked = event.target.checked;
    const chosen = boxes.filter((box) => box.checked).length;
    count.textContent = chosen ? count.dataset.count.replace("{n}", chosen) : "";
  });
}

const editor = document.getElementById("editor");
const frame = document.getElementById("preview");
if (editor && frame) {
  const links = [...document.querySelectorAll("a[target=preview]")];
  let waiting = 0;
  const show = async () => {
    const { show, lang } = links.find((link) => link.ariaCurrent)?.dataset ?? {};
    const body = new URLSearchParams(new FormData(editor));
    if (show) body.set("show", show);
    if (lang) body.set("lang", lang);
    const reply = await fetch(editor.dataset.preview, { method: "POST", body });
    // The reply redirects to an address of its own; `replace` adds no entry to the browser's history.
    if (reply.ok) frame.contentWindow.location.replace(reply.url);
  };
  editor.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => show().catch(() => {}), 400);
  });
  for (const link of links) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      for (const other of links) other.ariaCurrent = other === link ? "true" : null;
      show().catch(() => {});
    });
  }
}

// A brand's colour, shown on its button while one types or picks.
for (const typed of document.querySelectorAll("input[name='brand.colour']")) {
  const shown = typed.form.querySelectorAll("[data-brand] svg");
  const pick = document.createElement("input");
  pick.type = "color";
  pick.setAttribute("aria-label", typed.form.dataset.pick ?? typed.labels[0]?.textContent ?? "");
  const light = (hex) =>
    [1, 3, 5].reduce((sum, at, n) => {
      const part = parseInt(hex.slice(at, at + 2), 16) / 255;
      return sum + [0.2126, 0.7152, 0.0722][n] * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    }, 0);
  if (typed.placeholder) pick.value = typed.placeholder;
  const show = () => {
    const hex = typed.value.trim().toLowerCase();
    if (!/^#[0-9a-f]{6}$/.test(hex)) return;
    pick.value = hex;
    for (const svg of shown) {
      svg.querySelector("[data-fill]").setAttribute("fill", hex);
      svg.querySelector("[data-ink]").setAttribute("fill", light(hex) > 0.179 ? "#000" : "#fff");
    }
  };
  pick.addEventListener("input", () => {
    typed.value = pick.value;
    show();
  });
  typed.addEventListener("input", show);
  const row = document.createElement("span");
  row.className = "with-swatch";
  typed.before(row);
  row.append(typed, pick);
  show();
}

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
for (const chart of document.querySelectorAll(".chart svg")) {
  const marks = [...chart.querySelectorAll("title")]
    .map((title) => title.parentElement)
    .filter((mark) => mark !== chart);
  if (!marks.length) continue;
  const value = document.createElement("p");
  value.className = "small shown-value";
  value.setAttribute("role", "status");
  chart.after(value);
  let place = -1;
  const show = (next) => {
    marks[place]?.classList.remove("at");
    place = (next + marks.length) % marks.length;
    marks[place].classList.add("at");
    value.textContent = marks[place].querySelector("title").textContent;
  };
  chart.tabIndex = 0;
  chart.setAttribute("aria-keyshortcuts", "ArrowLeft ArrowRight");
  chart.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    show(place < 0 && step < 0 ? -1 : place + step);
  });
  for (const [n, mark] of marks.entries()) mark.addEventListener("pointerenter", () => show(n));
}

// Steps that wait for something from outside: the first answer, a sender's first event.
const steps = document.querySelector("[data-waits]");
if (steps) {
  const watch = setInterval(async () => {
    const reply = await fetch(location.href).catch(() => null);
    if (!reply || !reply.ok) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const fresh = page.getElementById(steps.id);
    if (fresh && fresh.innerHTML !== steps.innerHTML) steps.replaceChildren(...fresh.childNodes);
    if (!fresh || !("waits" in fresh.dataset)) clearInterval(watch);
  }, 5000);
}
