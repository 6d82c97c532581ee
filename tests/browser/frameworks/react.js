// A page of React, in StrictMode: mounts, renders again, changes the order, takes it away.
import { createElement as h, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

function Page() {
  const [order, setOrder] = useState(1);
  const [shown, setShown] = useState(true);
  const [survey, setSurvey] = useState("s");
  return h("main", null,
    h("h1", null, `Order ${order}`),
    h("button", { onClick: () => setOrder(order + 1) }, "next order"),
    h("button", { onClick: () => setShown(!shown) }, "toggle"),
    h("button", { onClick: () => setSurvey("nobody") }, "unknown"),
    h("button", { onClick: () => history.pushState(0, "", `/shop/${Math.random()}`) }, "route"),
    shown && h("div", { id: "host" }, h("afterword-survey", { survey, order }), h("p", null, "after")),
  );
}

createRoot(document.querySelector("#root")).render(h(StrictMode, null, h(Page)));
