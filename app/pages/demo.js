// A shop's own script: after the payment it tells the widget, and puts a survey below the receipt.
window.afterword ||= function () { (afterword.q ||= []).push(arguments); };
document.querySelector("#pay").onclick = () => {
  const order = `demo-${Date.now()}`;
  document.querySelector("#order").textContent = order;
  document.querySelector("#basket").hidden = true;
  document.querySelector("#receipt").hidden = false;
  const survey = document.createElement("afterword-survey");
  survey.setAttribute("survey", "nps");
  survey.setAttribute("order", order);
  document.querySelector("#receipt").append(survey);
  afterword("identify", { external_id: "c-1" });
  afterword("track", "paid");
};
