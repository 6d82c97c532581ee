// A shared screen: after 30 s without input it asks, then begins anew for the next person.
const start = document.querySelector("[data-start]").dataset.start;
const begin = () => location.replace(start);
const dialog = document.querySelector("dialog");
const shown = performance.now();
if (dialog) {
  let idle;
  const wait = () => {
    clearTimeout(idle);
    dialog.close();
    idle = setTimeout(() => {
      dialog.showModal();
      idle = setTimeout(begin, 10000);
    }, 30000);
  };
  for (const type of ["pointerdown", "keydown", "input"]) addEventListener(type, wait);
  wait();
  // The second half of a double tap belongs to the page before.
  addEventListener("click", (event) => {
    if (performance.now() - shown < 400) event.preventDefault();
  }, true);
} else {
  setTimeout(begin, 6000);
}
