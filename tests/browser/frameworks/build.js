// Bundles one page for each framework into the folder `dist`.
import { readFile } from "node:fs/promises";
import { build } from "esbuild";
import { compile } from "svelte/compiler";

const svelte = {
  name: "svelte",
  setup(bundle) {
    bundle.onLoad({ filter: /\.svelte$/ }, async ({ path }) => ({
      contents: compile(await readFile(path, "utf8"), { filename: path, dev: false }).js.code,
    }));
  },
};
const old = { react: "react-18", "react-dom": "react-dom-18" };
for (const [name, entry, alias] of [
  ["react18", "react.js", old], ["react19", "react.js", {}],
  ["vue", "vue.js", {}], ["svelte", "svelte.js", {}],
]) {
  await build({
    entryPoints: [entry], outfile: `dist/${name}.js`, bundle: true, format: "iife", alias,
    plugins: [svelte], conditions: ["browser"], define: { "process.env.NODE_ENV": '"development"' },
  });
}
