// One question as native controls, and what was chosen in them.
import { make } from "./dom.js";

// An answer as JSON says it; the controls hold the numbers of the choices.
export const read = (question, form) => {
  const fields = [...form.querySelectorAll(`[name="${question.key}"]`)];
  if (question.kind == "text") return fields[0].value.trim() ? fields[0].value : null;
  const chosen = fields
    .filter((field) => field.checked)
    .map((field) => question.choices[field.value].value);
  if (!chosen.length) return null;
  if (question.kind != "several") return chosen[0];
  // If an option and "not applicable" are both ticked, the option counts.
  const options = chosen.filter((value) => value != "na");
  return options.length ? options : "na";
};

const text = ({ key, required }, title, label) => {
  const attributes = { name: key, rows: 3, maxlength: 4000, required: required ? "" : null };
  const area = make("textarea", { ...attributes, ...label });
  return make("fieldset", {}, title ? make("label", {}, make("b", {}, title), area) : area);
};

const choice = ({ key, kind, required }, { label, spoken, value }, number) => {
  const type = kind == "several" ? "checkbox" : "radio";
  const must = required && type == "radio" ? "" : null;
  const input = { type, name: key, value: number, required: must, "aria-label": spoken ?? null };
  return make("label", value == "na" ? { class: "n" } : {}, make("input", input), label);
};

// The attributes of words in another language than the survey's; ours run from left to right.
export const languageAttributes = (lang) => (lang ? { lang, dir: "ltr" } : {});

// `alone` where the heading is the question.
export const draw = (question, { alone, optional }) => {
  const { key, kind, choices, ends, foreign_ends, required } = question;
  const title = alone ? "" : required ? question.text : `${question.text} (${optional})`;
  const label = alone ? { "aria-labelledby": "h" } : {};
  if (kind == "text") return text(question, title, label);
  const options = choices.map((each, number) => choice(question, each, number));
  const points = choices.filter(({ value }) => value != "na").length;
  const group = make("div", { class: kind == "scale" ? "c s s" + points : "c w" }, ...options);
  const set = make("fieldset", label, ...(title ? [make("legend", {}, title)] : []), group);
  if (ends) {
    const words = ends.map((end, side) => make("span", languageAttributes(foreign_ends[side]), end));
    set.append(make("p", { class: "e", id: "e-" + key }, ...words));
    set.setAttribute("aria-describedby", "e-" + key);
  }
  return set;
};
