// The widget: afterword("show" | "close" | "identify" | "set" | "track" | "consent" | "reset", …).
import { Survey } from "./element.js";
import { allow, flush, forget, sendBeforeLeaving, storage } from "./outbox.js";
import { site, visitor } from "./site.js";

const DAY = 86400000;
const events = new Set();
let open;
let timer;

storage.allowed = site.consent != "required";

const calls = {
  // For a page whose tag manager strips the script's own attributes.
  init(options) {
    Object.assign(site, options);
    for (const element of document.querySelectorAll("afterword-survey")) element.refresh?.();
    scheduleShow();
  },
  show(survey = site.survey) {
    open?.close?.();
    open = document.createElement("afterword-survey");
    open.own = true;
    open.setAttribute("survey", survey);
    open.setAttribute("popup", "");
    (document.body || document.documentElement).append(open);
  },
  close: () => open?.close?.(),
  identify(customer) {
    // A shop may pass numbers, but the API takes only texts.
    const names = Object.entries(customer).map(([name, value]) => [name, value + ""]);
    visitor.customer = Object.fromEntries(names);
  },
  set: (properties) => (visitor.properties = { ...visitor.properties, ...properties }),
  track(event) {
    events.add(event);
    scheduleShow();
  },
  consent(given = true) {
    allow(given);
    if (!given) visitor.forget();
  },
  reset() {
    visitor.forget();
    forget();
  },
};

// Whether the script's own survey is shown on this page now.
const mayShow = () => {
  const { survey, path = "*", event, days = 30, maxViews = 3 } = site;
  const seen = storage.get("afterword.seen." + survey) || 0;
  return (
    survey &&
    views() < maxViews &&
    matches(path) &&
    (!event || events.has(event)) &&
    Date.now() - seen >= days * DAY &&
    !open?.isConnected
  );
};

// How often the popup was shown here without a reaction; this page remembers what cannot be stored.
let shown = 0;
const views = () => storage.get("afterword.views." + site.survey) || shown;
const showAndCount = () => {
  storage.set("afterword.views." + site.survey, (shown = views() + 1));
  calls.show();
};

// Whether this page's path is the one named; a star stands for anything.
const matches = (path) => {
  const parts = path.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(location.pathname);
};

// Whether this page view is in the sample; decided once per page, so no visitor must be recognised.
const inSample = Math.random() < (site.sample ?? 1);

function scheduleShow() {
  clearTimeout(timer);
  if (inSample && mayShow()) timer = setTimeout(() => mayShow() && showAndCount(), (site.delay || 0) * 1000);
}

// A second copy of the script adds nothing.
if (!window.afterword?.loaded) {
  let path = location.pathname;
  const moved = () => {
    if (path != location.pathname) {
      path = location.pathname;
      scheduleShow();
    }
  };
  for (const name of ["pushState", "replaceState"]) {
    const before = history[name];
    history[name] = function (...more) {
      before.apply(this, more);
      moved();
    };
  }
  addEventListener("popstate", moved);
  addEventListener("online", flush);
  addEventListener("pagehide", sendBeforeLeaving);

  const queue = window.afterword?.q || [];
  window.afterword = (name, ...more) => calls[name]?.(...more);
  window.afterword.loaded = true;
  for (const call of queue) {
    try {
      window.afterword(...call);
    } catch (error) {
      console.warn("afterword:", error);
    }
  }
  flush();
  scheduleShow();
  // Last: the elements that stand in the page already begin here.
  customElements.get("afterword-survey") || customElements.define("afterword-survey", Survey);
}
