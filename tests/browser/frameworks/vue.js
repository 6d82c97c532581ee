// The same page in Vue.
import { createApp, h, ref } from "vue";

createApp({
  setup() {
    const order = ref(1), shown = ref(true), survey = ref("s");
    const button = (text, onClick) => h("button", { onClick }, text);
    return () => h("main", [
      h("h1", `Order ${order.value}`),
      button("next order", () => order.value++),
      button("toggle", () => (shown.value = !shown.value)),
      button("unknown", () => (survey.value = "nobody")),
      button("route", () => history.pushState(0, "", `/shop/${Math.random()}`)),
      shown.value && h("div", { id: "host" }, [
        h("afterword-survey", { survey: survey.value, order: order.value }), h("p", "after"),
      ]),
    ]);
  },
}).mount("#root");
