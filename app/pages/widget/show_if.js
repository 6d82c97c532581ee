// Whether a question is shown, by the answer to an earlier one: the rules of app/surveys/show_if.py.
const same = (answer, value) => answer === value;

const operators = {
  "==": same,
  "!=": (answer, value) => !same(answer, value),
  "<": (answer, value) => answer < value,
  "<=": (answer, value) => answer <= value,
  ">": (answer, value) => answer > value,
  ">=": (answer, value) => answer >= value,
  in: (answer, values) => values.includes(answer),
  not_in: (answer, values) => !values.includes(answer),
  contains: (answer, value) => Array.isArray(answer) && answer.includes(value),
};

export function isShown(condition, answers) {
  if (!condition) return true;
  const { question, op, value } = condition;
  const answer = answers[question];
  if (answer == null || answer === "na") return false;
  if (/[<>]/.test(op) && typeof answer != "number") return false;
  return operators[op](answer, value);
}
