// Sweetens a survey's form: tells that a person is here, and lets nobody send twice.
const form = document.querySelector("form.survey");
if (form) {
  const { _js, _g } = form.elements;
  const awaited = form.dataset.confirm;
  let last, byScript;
  _js.value = 1;
  const confirm = () => awaited && fetch(form.action, {
    method: "POST", keepalive: true, body: new URLSearchParams([...new FormData(form), ["_first", 1]]),
  });
  const gesture = (event) => {
    // A script's click on a label makes the browser click its control, and vouch for that.
    if (!event.isTrusted) { byScript = event.timeStamp; return; }
    if (event.type == "click" && event.timeStamp - byScript < 50) return;
    last = event.type;
    if (!_g.value) { _g.value = 1; confirm(); }
  };
  for (const type of ["pointerdown", "touchstart", "keydown", "click"]) addEventListener(type, gesture, true);
  form.addEventListener("change", (event) => {
    if (event.isTrusted && event.target.name == awaited && last != "keydown") confirm();
  });
  form.addEventListener("submit", (event) => form.ariaBusy ? event.preventDefault() : form.ariaBusy = "true");
  addEventListener("pageshow", () => { form.ariaBusy = null; });
  const { pathname, href } = new URL(form.action);
  if (pathname == location.pathname && !awaited) history.replaceState(0, "", href);
}
