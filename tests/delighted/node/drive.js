// Drives Delighted's own Node client against a service of ours: node drive.js KEY PORT
const [key, port] = process.argv.slice(2);
const options = { host: "127.0.0.1", port: Number(port), base: "/delighted/v1", scheme: "http" };
const delighted = require("delighted")(key, options);

async function main() {
  const person = await delighted.person.create({ email: "node@shop.example", send: false });
  const made = await delighted.surveyResponse.create({ person: person.id, score: 8 });
  made.score = 3;
  const changed = await made.save();
  const listed = [];
  const people = delighted.person.list({ email: "node@shop.example" });
  await people.autoPagingEach((found) => listed.push(found.email));
  const metrics = await delighted.metrics.retrieve();
  console.log(JSON.stringify({ person, changed, listed, metrics }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
