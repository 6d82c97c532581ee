// The widget: afterword("show" | "close" | "identify" | "set" | "track" | "consent" | "reset", …).
import { Survey } from "./element.js";
import { flush, hurry, storage } from "./outbox.js";
import { site, visitor } from "./site.js";

const DAY = 86400000;
const events = new Set();
let open;
let timer;

storage.allowed = site.consent != "required";

const calls = {
  show(survey = site.survey) {
    open?.close();
    open = document.createElement("afterword-survey");
    open.setAttribute("survey", survey);
    open.setAttribute("popup", "");
    document.body.append(open);
  },
  close: () => open?.close(),
  identify: (customer) => (visitor.customer = customer),
  set: (properties) => (visitor.properties = { ...visitor.properties, ...properties }),
  track(event) {
    events.add(event);
    look();
  },
  consent(given = true) {
    storage.allowed = given;
    if (given) flush();
  },
  reset() {
    visitor.customer = visitor.properties = undefined;
    for (const name of Object.keys(localStorage)) if (name.startsWith("afterword.")) localStorage.removeItem(name);
  },
};

// Whether the script's own survey is shown on this page now.
const wanted = () => {
  const { survey, path = "*", event, days = 30 } = site;
  const fits = new RegExp("^" + path.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*") + "$").test(location.pathname);
  const seen = storage.get("afterword.seen." + survey) || 0;
  return survey && fits && (!event || events.has(event)) && Date.now() - seen >= days * DAY && !open?.isConnected;
};

// Drawn once a page, so that no visitor need be known again.
const drawn = Math.random() < (site.sample ?? 1);

function look() {
  clearTimeout(timer);
  if (drawn && wanted()) timer = setTimeout(() => wanted() && calls.show(), (site.delay || 0) * 1000);
}

for (const name of ["pushState", "replaceState"]) {
  const before = history[name];
  history[name] = function (...more) {
    before.apply(this, more);
    look();
  };
}
addEventListener("popstate", look);
addEventListener("online", flush);
addEventListener("pagehide", hurry);

const queue = window.afterword?.q || [];
window.afterword = (name, ...more) => calls[name]?.(...more);
queue.forEach((call) => window.afterword(...call));
flush();
look();
// Last: the elements that stand in the page already begin here.
customElements.get("afterword-survey") || customElements.define("afterword-survey", Survey);
