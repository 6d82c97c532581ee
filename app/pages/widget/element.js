// <afterword-survey>: one survey in a page, inline or as a popup.
import { make, newId } from "./dom.js";
import { post, storage } from "./outbox.js";
import { draw, read, languageAttributes } from "./questions.js";
import { isShown } from "./show_if.js";
import { site, visitor } from "./site.js";
import { sheets } from "./style.js";

const HEADING = { id: "h", tabindex: -1 };

export class Survey extends HTMLElement {
  // If one of these changes, the element asks anew and sends no earlier score.
  static observedAttributes = ["survey", "key", "order", "ticket"];
  #id;
  #seq;
  #step;
  #answers;
  #target; // what was asked for, to tell a change from a repeat
  #survey; // as the server tells of it
  #form;
  #shown; // the questions of this step
  #shownAt; // when the first one was shown
  #focusBefore; // where the focus was before it came in here

  get #name() {
    return this.getAttribute("survey") || site.survey;
  }

  get #key() {
    return this.getAttribute("key") || site.key;
  }

  // The language attributes of one of our words, if it is not in the survey's language.
  #languageOf(name) {
    return languageAttributes(this.#survey.foreign[name]);
  }

  #tell(name) {
    const detail = { survey: this.#name, id: this.#id };
    const event = new CustomEvent("afterword:" + name, { bubbles: true, composed: true, detail });
    // If the element was closed meanwhile, the document dispatches its event.
    (this.isConnected ? this : document).dispatchEvent(event);
  }

  connectedCallback() {
    if (!this.shadowRoot) this.attachShadow({ mode: "open" });
    if (this.#form) document.addEventListener("keydown", this);
    this.refresh();
  }

  attributeChangedCallback() {
    this.refresh();
  }

  // Starts again if the attributes ask for another survey. Never touches the page's own nodes: if
  // nothing can be asked, the element stays, and is empty.
  refresh() {
    if (!this.isConnected || !this.shadowRoot) return;
    const asked = [this.#name, this.#key, this.#about("order"), this.#about("ticket")] + "";
    if (asked == this.#target || !this.#name) return;
    this.#target = asked;
    this.#id = newId();
    this.#seq = this.#step = 0;
    this.#answers = {};
    this.#empty();
    // Several attributes that are set in turn are applied together.
    queueMicrotask(() => asked == this.#target && this.#start(asked));
  }

  async #start(asked) {
    const survey = await this.#fetch();
    if (asked != this.#target) return;
    if (!survey) return this.#leave();
    this.#survey = survey;
    const { colours, main, questions, answered, words } = survey;
    const popup = this.hasAttribute("popup");
    if (answered && popup) return this.#leave();
    this.shadowRoot.adoptedStyleSheets = sheets(this.getAttribute("theme") || site.theme, colours);
    this.shadowRoot.append(this.#box());
    if (answered) return this.#say(words.answered_title, words.answered);
    this.#shownAt = performance.now();
    this.#show(questions.filter(({ key }) => !main || key == main));
    this.#tell("shown");
  }

  #about(name) {
    return this.getAttribute(name) || site[name] || undefined;
  }

  #empty() {
    this.#form = undefined;
    this.shadowRoot.replaceChildren();
    document.removeEventListener("keydown", this);
  }

  // Empties the element, and removes it only if this script added it to the page.
  #leave() {
    this.#empty();
    if (this.own) this.remove();
  }

  async #fetch() {
    const { lang } = document.documentElement;
    const asked = new URLSearchParams({
      lang: this.getAttribute("lang") || site.lang || lang || navigator.language,
    });
    for (const name of ["order", "ticket"]) {
      if (this.#about(name)) asked.set(name, this.#about(name));
    }
    if (this.#key) asked.set("key", this.#key);
    let why = "no reply";
    try {
      const reply = await fetch(`${site.base}/w/surveys/${this.#name}?${asked}`);
      if (reply.ok) return await reply.json();
      why = reply.status;
    } catch {}
    console.warn(`afterword: no survey "${this.#name}": ${why}`);
  }

  #box() {
    const { language, direction, words } = this.#survey;
    const popup = this.hasAttribute("popup");
    const role = popup ? "dialog" : "region";
    const about = { lang: language, dir: direction, role, "aria-labelledby": "h" };
    const box = make("section", about, (this.#form = make("form", {})));
    if (popup) {
      const close = make("button", { class: "x", type: "button", "aria-label": words.close }, "×");
      close.onclick = () => this.close();
      box.append(close);
      box.addEventListener("focusin", (event) => (this.#focusBefore ??= event.relatedTarget));
      document.addEventListener("keydown", this);
    }
    let pointer;
    box.addEventListener("pointerdown", () => (pointer = true));
    box.addEventListener("keydown", () => (pointer = false));
    this.#form.onchange = ({ target }) => {
      const alone = this.#step == 1 && this.#shown.length == 1;
      // Arrow keys walk through a scale: only a pointer's choice goes on by itself.
      if (pointer && alone && target.type == "radio") this.#form.requestSubmit();
      else this.#reveal();
    };
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#take();
    };
    return box;
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this);
  }

  handleEvent(event) {
    if (event.key == "Escape" && !event.defaultPrevented) this.close();
  }

  close() {
    if (!this.isConnected) return;
    this.#seen();
    // Dispatch the event while the element is still in the page.
    this.#tell("closed");
    const inside = this.shadowRoot.activeElement;
    this.#leave();
    if (inside) this.#focusBefore?.focus();
  }

  #seen() {
    storage.set("afterword.seen." + this.#name, Date.now());
  }

  #show(questions) {
    const { company, words } = this.#survey;
    const alone = questions.length == 1;
    const last = ++this.#step > 1 || this.#survey.questions.length == questions.length;
    this.#shown = questions;
    const how = { alone, optional: words.optional };
    const heading = make("h2", HEADING, alone ? questions[0].text : company);
    const trap = { name: "_website", tabindex: -1, autocomplete: "off", "aria-hidden": true };
    this.#form.replaceChildren(
      heading,
      ...questions.map((question) => draw(question, how)),
      make("input", { ...trap, class: "t" }),
      make("button", this.#languageOf(last ? "send" : "next"), last ? words.send : words.next),
    );
    this.#reveal();
    if (this.#step > 1) heading.focus();
  }

  get #sets() {
    return [...this.#form.querySelectorAll("fieldset")];
  }

  // Shows and hides follow-ups as their conditions say, and returns what is answered by then;
  // what is hidden is neither sent nor required.
  #reveal() {
    const sets = this.#sets;
    const given = { ...this.#answers };
    this.#shown.forEach((question, number) => {
      const hidden = !isShown(question.show_if, given);
      sets[number].disabled = sets[number].hidden = hidden;
      if (hidden) delete given[question.key];
      else given[question.key] = read(question, this.#form);
    });
    return given;
  }

  #take() {
    const { main, questions } = this.#survey;
    const answers = this.#reveal();
    if (this.#asksForMissing(answers)) return;
    this.#answers = answers;
    const rest = this.#step == 1 && main ? questions.filter(({ key }) => key != main) : [];
    // Skip questions that no answer can make visible any more.
    const hangsOn = (condition) => rest.some(({ key }) => key == condition?.question);
    const open = rest.filter(({ show_if }) => isShown(show_if, answers) || hangsOn(show_if));
    this.#send(!open.length);
    if (open.length) this.#show(open);
    else this.#thank();
  }

  // Browsers do not enforce required check boxes, and accept blanks as a text.
  #asksForMissing(answers) {
    const sets = this.#sets;
    const missing = this.#shown.findIndex(
      ({ key, required }, number) => required && answers[key] === null && !sets[number].hidden,
    );
    if (missing < 0) return false;
    const field = sets[missing].querySelector("input,textarea");
    field.setCustomValidity(this.#survey.words.required);
    field.reportValidity();
    field.addEventListener("input", () => field.setCustomValidity(""), { once: true });
    return true;
  }

  #send(complete) {
    const body = {
      id: this.#id,
      seq: ++this.#seq,
      key: this.#key,
      survey: this.#survey.survey,
      answers: this.#answers,
      complete,
      locale: this.#survey.language,
      t: Math.round(performance.now() - this.#shownAt),
      trap: this.#form.querySelector("[name=_website]").value || undefined,
      ...visitor.about(),
    };
    for (const name of ["order", "ticket", "touchpoint"]) body[name] = this.#about(name);
    const { over_title, over } = this.#survey.words;
    // A survey that was closed meanwhile asks no further.
    const refused = () => body.id == this.#id && this.#say(over_title, over);
    post(site.base + "/w/responses", body, () => this.#tell("sent"), refused);
    this.#seen();
  }

  #say(title, text, ...more) {
    const heading = make("h2", HEADING, title);
    this.#form?.replaceChildren(heading, make("p", { role: "status" }, text), ...more);
    return heading;
  }

  #thank() {
    const { thanks, words, main } = this.#survey;
    const said = thanks.by_answer[this.#answers[main]] || thanks.default;
    const parts = [];
    if (said.link_url) {
      parts.push(make("a", { href: said.link_url, rel: "noopener" }, said.link_text));
    }
    if (!navigator.onLine) parts.push(make("p", this.#languageOf("later"), words.later));
    this.#say(words.thanks_title, said.text, ...parts).focus();
  }
}
