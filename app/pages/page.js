// Improves a survey's form: reports a person's gesture, and prevents sending twice.
const form = document.querySelector("form.survey");
const clean = document.querySelector("[data-clean]")?.getAttribute("data-clean");
// A copied address of the page of thanks leads to the survey, not to the answer.
if (clean) history.replaceState(0, "", clean);
if (form) {
  const field = (name) => form.querySelector(`[name=${name}]`);
  const action = form.getAttribute("action");
  const awaited = form.getAttribute("data-confirm");
  let byKey, byScript;
  field("_js").value = 1;
  const confirm = () => awaited && fetch(action, {
    method: "POST", keepalive: true, body: new URLSearchParams([...new FormData(form), ["_first", 1]]),
  });
  // Keys that only scroll or modify are no answer.
  const isVote = ({ key, ctrlKey, metaKey, altKey, target }) => !ctrlKey && !metaKey && !altKey &&
    (key == "Tab" || (form.contains(target) && /^(.|Enter|Arrow.*)$/u.test(key)));
  const gesture = (event) => {
    // A script's click on a label makes the browser click its control, and vouch for that.
    if (!event.isTrusted) return (byScript = event.timeStamp);
    if (event.type == "click" && event.timeStamp - byScript < 50) return;
    if (event.type == "keydown" && !isVote(event)) return;
    // Arrow keys walk through a scale, and make clicks of their own on the way.
    if (event.type != "click") byKey = event.type == "keydown";
    if (!field("_g").value) { field("_g").value = 1; confirm(); }
  };
  for (const type of ["pointerdown", "touchstart", "keydown", "click"]) addEventListener(type, gesture, true);
  form.addEventListener("change", (event) => {
    if (event.isTrusted && event.target.name == awaited && !byKey) confirm();
  });
  // A tap on a score sends it; a second tap within a moment is the same one, or another score.
  let tapped;
  if (form.matches("[data-tap]")) {
    form.addEventListener("change", (event) => {
      clearTimeout(tapped);
      if (event.isTrusted && !byKey) tapped = setTimeout(() => form.requestSubmit(), 300);
    });
  }
  // The server lists missing answers above the questions; a browser's bubble would cover some of them.
  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    clearTimeout(tapped);
    if (form.ariaBusy) return event.preventDefault();
    form.ariaBusy = "true";
    // A submission that was stopped may be sent again.
    setTimeout(() => (form.ariaBusy = null), 5000);
    if (action.includes("/s/") && !action.includes("kiosk=1")) history.replaceState(0, "", action);
  });
  addEventListener("pageshow", () => (form.ariaBusy = null));
}
