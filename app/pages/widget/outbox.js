// Answers on their way: kept until the server has them, over reloads and later visits.
// Each is sent until it is answered; its id and number make it count once.
const STORAGE_KEY = "afterword.outbox";
const MAX_WAITING = 20;
const FIRST_WAIT = 2000;
const LONGEST_WAIT = 300000;

let wait = FIRST_WAIT;
let timer;
let busy;
let waiting = [];

// Old libraries change how arrays and texts become JSON; this is the standard way.
const json = (value) => {
  const prototypes = [Array, String, Number, Boolean, Object].map(({ prototype }) => prototype);
  const descriptors = prototypes.map((prototype) => Object.getOwnPropertyDescriptor(prototype, "toJSON"));
  try {
    for (const prototype of prototypes) delete prototype.toJSON;
    return JSON.stringify(value);
  } finally {
    descriptors.forEach((descriptor, at) => descriptor && Object.defineProperty(prototypes[at], "toJSON", descriptor));
  }
};

// Until there is consent, nothing is stored and nothing leaves.
export const storage = {
  allowed: true,
  get(name) {
    try {
      return this.allowed && JSON.parse(localStorage.getItem(name));
    } catch {}
  },
  set(name, value) {
    try {
      if (this.allowed) localStorage.setItem(name, json(value));
    } catch {}
  },
};

const identity = ({ body }) => [body.id, body.seq] + "";

const load = () => {
  const known = new Set(waiting.map(identity));
  waiting.push(...(storage.get(STORAGE_KEY) || []).filter((item) => !known.has(identity(item))));
};

const keep = (items) => storage.set(STORAGE_KEY, (waiting = items.slice(-MAX_WAITING)));

// Removes one item, and keeps what another tab has stored meanwhile.
const without = (item) => {
  load();
  keep(waiting.filter((other) => identity(other) != identity(item)));
};

export function post(url, body, onSent, onRefused) {
  load();
  // A later post of the same answer contains everything of the earlier post.
  const others = waiting.filter((item) => item.body.id != body.id);
  keep([...others, { url, body, onSent, onRefused }]);
  flush();
}

export async function flush() {
  clearTimeout(timer);
  if (busy || !storage.allowed) return;
  busy = true;
  load();
  let failed;
  for (const item of waiting) {
    let status = 0;
    try {
      const body = json(item.body);
      ({ status } = await fetch(item.url, { method: "POST", body, keepalive: true }));
    } catch {}
    if (!status || status == 429 || status >= 500) {
      // The others may fare better.
      failed = true;
      continue;
    }
    without(item);
    if (status < 300) item.onSent?.();
    else {
      console.warn(`afterword: answer refused (${status})`);
      if (status == 409 || status == 410) item.onRefused?.();
    }
  }
  busy = false;
  if (failed) {
    timer = setTimeout(flush, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  } else {
    wait = FIRST_WAIT;
    if (waiting.length) flush();
  }
}

// With consent, store and send the waiting answers; without it, delete everything that is stored.
export function allow(given) {
  storage.allowed = given;
  if (given) {
    load();
    keep(waiting);
    flush();
  } else forget();
}

export function forget() {
  clearTimeout(timer);
  waiting = [];
  try {
    const names = Object.keys(localStorage).filter((name) => name.startsWith("afterword."));
    for (const name of names) localStorage.removeItem(name);
  } catch {}
}

// Send everything once more when the page is left; the server counts a repeated answer once.
export function sendBeforeLeaving() {
  if (!storage.allowed) return;
  for (const { url, body } of waiting) navigator.sendBeacon(url, json(body));
}
