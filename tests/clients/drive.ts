// What a shop's program does with a client made from our document; it runs against a service.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const [, , url = "", key = ""] = process.argv;
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });

function dataOf<T>(found: { data?: T; error?: unknown }): T {
  if (found.data === undefined) throw new Error(JSON.stringify(found.error));
  return found.data;
}

const survey = dataOf(
  await client.POST("/v1/surveys", { body: { template: "nps", key: "ts-nps", name: "By a client" } }),
);
dataOf(await client.POST("/v1/surveys/{survey}/publish", { params: { path: { survey: survey.key } } }));
for (const score of [10, 9, 3]) {
  dataOf(
    await client.POST("/v1/responses", {
      body: { survey: "ts-nps", channel: "api", answers: { score, why: "said so" } },
    }),
  );
}

const trigger = dataOf(
  await client.POST("/v1/triggers", {
    body: { name: "t", on: "order.paid", survey: "ts-nps", delay: "PT2H", active: false, priority: 5 },
  }),
);
const renamed = dataOf(
  await client.PATCH("/v1/triggers/{trigger}", {
    params: { path: { trigger: trigger.id } },
    body: { name: "renamed" },
  }),
);
const customer = dataOf(
  await client.PUT("/v1/customers/{customer}", {
    params: { path: { customer: "ts-1" } },
    body: { email: "ala@example.pl", do_not_survey: true },
  }),
);
const named = dataOf(
  await client.PATCH("/v1/customers/{customer}", {
    params: { path: { customer: "ts-1" } },
    body: { name: "Ala" },
  }),
);
const before = dataOf(await client.PATCH("/v1/workspace", { body: { min_group_size: 3, segments: ["store"] } }));
const after = dataOf(await client.PATCH("/v1/workspace", { body: { name: "Renamed" } }));

const ids: string[] = [];
let cursor: string | null | undefined;
do {
  const page = dataOf(
    await client.GET("/v1/responses", {
      params: { query: { survey: "ts-nps", limit: 2, ...(cursor ? { cursor } : {}) } },
    }),
  );
  ids.push(...page.data.map((response) => response.id));
  cursor = page.next_cursor;
} while (cursor);
const figure = dataOf(
  await client.GET("/v1/metrics/{metric}", {
    params: { path: { metric: "nps" }, query: { survey: ["ts-nps"] } },
  }),
);

if (typeof figure === "string") throw new Error("CSV was not asked for");

console.log(
  JSON.stringify({
    trigger: [renamed.name, renamed.active, renamed.delay, renamed.priority],
    customer: [named.name, named.email, named.do_not_survey, customer.id === named.id],
    workspace: [after.name, before.min_group_size, after.min_group_size, after.segments],
    ids: new Set(ids).size,
    figure: [figure.total.n, figure.total.display],
  }),
);
