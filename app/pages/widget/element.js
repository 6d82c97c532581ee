// <afterword-survey>: one survey in a page, inline or as a popup.
import { post, storage } from "./outbox.js";
import { isShown } from "./show_if.js";
import { sheets } from "./style.js";
import { site, visitor } from "./site.js";

const make = (name, attributes, ...children) => {
  const element = document.createElement(name);
  for (const key in attributes) if (attributes[key] != null && attributes[key] !== false) element.setAttribute(key, attributes[key]);
  element.append(...children);
  return element;
};

// An answer as JSON says it: `values` are the typed values of the form's choices.
const read = (question, form) => {
  const fields = [...form.querySelectorAll(`[name="${question.key}"]`)];
  if (question.kind == "text") return fields[0].value.trim() ? fields[0].value : null;
  const chosen = fields.filter((field) => field.checked).map((field) => question.choices[field.value].value);
  return !chosen.length ? null : question.kind != "several" ? chosen[0] : chosen.includes("na") ? "na" : chosen;
};

export class Survey extends HTMLElement {
  #answers = {};
  #id = crypto.randomUUID?.() ?? ([1e7] + -1e3 + -4e3 + -8e3 + -1e11).replace(/[018]/g, (c) => (c ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (c / 4)))).toString(16));
  #seq = 0;
  #since;
  #survey;
  #form;
  #came;

  get #name() {
    return this.getAttribute("survey") || site.survey;
  }

  #tell(name) {
    // One that was closed meanwhile is heard all the same.
    (this.isConnected ? this : document).dispatchEvent(new CustomEvent("afterword:" + name, { bubbles: true, composed: true, detail: { survey: this.#name, id: this.#id } }));
  }

  async connectedCallback() {
    if (this.shadowRoot) return;
    const root = this.attachShadow({ mode: "open" });
    const key = this.getAttribute("key") || site.key;
    const asked = new URLSearchParams({ key, lang: this.getAttribute("lang") || site.lang || document.documentElement.lang || navigator.language });
    let reply;
    try {
      reply = await fetch(`${site.base}/w/surveys/${this.#name}?${asked}`);
    } catch {}
    if (!reply?.ok) {
      console.warn(`afterword: no survey "${this.#name}": ${reply ? reply.status : "no reply"}`);
      return this.remove();
    }
    const survey = (this.#survey = await reply.json());
    root.adoptedStyleSheets = sheets(this.getAttribute("theme") || site.theme, survey.colours);
    const popup = this.hasAttribute("popup");
    const box = make("section", { lang: survey.language, dir: survey.direction, role: popup ? "dialog" : "region", "aria-labelledby": "h" });
    this.#form = make("form");
    box.append(this.#form);
    if (popup) {
      const close = make("button", { class: "x", type: "button", "aria-label": survey.words.close }, "×");
      close.onclick = () => this.close();
      box.append(close);
      box.addEventListener("focusin", (event) => (this.#came ??= event.relatedTarget));
      document.addEventListener("keydown", this);
    }
    let pointer;
    box.addEventListener("pointerdown", () => (pointer = true));
    box.addEventListener("keydown", () => (pointer = false));
    this.#form.onchange = ({ target }) => {
      // Arrow keys walk through a scale: only a pointer's choice goes on by itself.
      if (pointer && target.type == "radio" && this.#shown.length == 1 && this.#step == 1) this.#form.requestSubmit();
      else this.#reveal();
    };
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#take();
    };
    root.append(box);
    this.#since = performance.now();
    this.#show(survey.questions.filter((q) => !survey.main || q.key == survey.main));
    this.#tell("shown");
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this);
  }

  handleEvent(event) {
    if (event.key == "Escape" && !event.defaultPrevented) this.close();
  }

  close() {
    if (!this.isConnected) return;
    storage.set("afterword.seen." + this.#name, Date.now());
    // Told while it still stands in the page, or nobody would hear.
    this.#tell("closed");
    const inside = this.shadowRoot.activeElement;
    this.remove();
    if (inside) this.#came?.focus();
  }

  // In which language the service's own words are, where not in the survey's.
  get #spoken() {
    const { language, words_language } = this.#survey;
    return language.startsWith(words_language) ? {} : { lang: words_language, dir: "ltr" };
  }

  #step = 0;
  #shown;

  #show(questions) {
    const { words } = this.#survey;
    this.#step++;
    this.#shown = questions;
    const alone = questions.length == 1;
    const heading = make("h2", { id: "h", tabindex: -1 }, alone ? questions[0].text : this.#survey.company);
    const last = this.#step > 1 || this.#survey.questions.length == questions.length;
    const button = make("button", this.#spoken, last ? words.send : words.next);
    const trap = make("input", { name: "_website", tabindex: -1, autocomplete: "off", "aria-hidden": true, class: "t" });
    this.#form.replaceChildren(heading, ...questions.map((q) => this.#draw(q, alone)), trap, button);
    this.#reveal();
    if (this.#step > 1) heading.focus();
  }

  #draw(question, alone) {
    const { key, kind, text, choices, ends, required } = question;
    const title = required ? text : `${text} (${this.#survey.words.optional})`;
    const label = alone ? { "aria-labelledby": "h" } : {};
    if (kind == "text") {
      const area = make("textarea", { name: key, rows: 3, maxlength: 4000, required: required ? "" : null, ...label });
      return make("fieldset", {}, alone ? area : make("label", {}, make("b", {}, title), area));
    }
    const type = kind == "several" ? "checkbox" : "radio";
    const options = choices.map((choice, n) =>
      make("label", {}, make("input", { type, name: key, value: n, required: required && type == "radio" ? "" : null }), choice.label));
    const group = make("div", { class: kind == "scale" ? "c s" : "c w" }, ...options);
    const set = make("fieldset", label, ...(alone ? [] : [make("legend", {}, title)]), group);
    if (ends) {
      set.append(make("p", { class: "e", id: "e-" + key, ...this.#spoken }, ...ends.map((end) => make("span", {}, end))));
      set.setAttribute("aria-describedby", "e-" + key);
    }
    return set;
  }

  // Shows and hides follow-ups as their conditions say; what is hidden is neither sent nor required.
  #reveal() {
    const sets = this.#form.querySelectorAll("fieldset");
    const given = { ...this.#answers };
    this.#shown.forEach((question, n) => {
      sets[n].disabled = sets[n].hidden = !isShown(question.show_if, given);
      if (sets[n].hidden) delete given[question.key];
      else given[question.key] = read(question, this.#form);
    });
    return given;
  }

  #take() {
    const { main, questions } = this.#survey;
    const answers = this.#reveal();
    // What browsers do not ask for themselves: ticks, and more than blanks.
    const missing = this.#shown.findIndex((q, n) => q.required && answers[q.key] === null && !this.#form.querySelectorAll("fieldset")[n].hidden);
    if (missing >= 0) {
      const field = this.#form.querySelectorAll("fieldset")[missing].querySelector("input,textarea");
      field.setCustomValidity(this.#survey.words.required);
      field.reportValidity();
      field.addEventListener("input", () => field.setCustomValidity(""), { once: true });
      return;
    }
    this.#answers = answers;
    const rest = this.#step == 1 && main ? questions.filter((q) => q.key != main) : [];
    // What none of these can still show need not be asked.
    const open = rest.filter((q) => isShown(q.show_if, answers) || rest.some((other) => other.key == q.show_if?.question));
    this.#send(!open.length);
    if (open.length) this.#show(open);
    else this.#thank();
  }

  #send(complete) {
    const body = {
      id: this.#id, seq: ++this.#seq, key: this.getAttribute("key") || site.key, survey: this.#survey.survey,
      answers: this.#answers, complete, locale: this.#survey.language, t: Math.round(performance.now() - this.#since),
      trap: this.#form.querySelector("[name=_website]").value || undefined, ...visitor.about(),
    };
    for (const name of ["order", "ticket", "touchpoint"]) body[name] = this.getAttribute(name) || site[name] || undefined;
    post(site.base + "/w/responses", body, () => this.#tell("sent"));
    storage.set("afterword.seen." + this.#name, Date.now());
  }

  #thank() {
    const { thanks, words, main } = this.#survey;
    const said = thanks.by_answer[this.#answers[main]] || thanks.default;
    const heading = make("h2", { id: "h", tabindex: -1 }, words.thanks_title);
    const text = make("p", { role: "status" }, said.text);
    const more = said.link_url ? [make("a", { href: said.link_url, rel: "noopener" }, said.link_text)] : [];
    if (!navigator.onLine) more.push(make("p", this.#spoken, words.later));
    this.#form.replaceChildren(heading, text, ...more);
    heading.focus();
  }
}
