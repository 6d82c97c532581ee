// The look, as a constructed style sheet: no policy of a page forbids it.
const css = `
:host{--a:var(--afterword-accent,#0b5cad);--o:var(--afterword-on-accent,#fff);--i:#1a1a1a;
  --p:#fff;--l:#767676;display:block;color-scheme:light dark;
  font:1rem/1.5 system-ui,sans-serif}
*{box-sizing:border-box;font:inherit}
section{color:var(--i);background:var(--p);border:1px solid var(--l);border-radius:.75rem;
  padding:1rem;max-width:30rem;position:relative;overflow-wrap:break-word}
[role=dialog]{position:fixed;inset-block-end:1rem;inset-inline-end:1rem;
  width:min(26rem,100vw - 2rem);max-height:calc(100vh - 2rem);overflow:auto;
  z-index:2147483000;box-shadow:0 .5rem 2rem #0004;animation:u .2s}
@keyframes u{from{transform:translateY(1rem);opacity:0}}
h2,legend,b{font-weight:600;margin:0 0 .75rem;padding:0;display:block}
h2{padding-inline-end:2.5rem}
h2:focus{outline:0}
fieldset{border:0;margin:0 0 1rem;padding:0;min-width:0}
.c{display:flex;gap:.375rem}
.s{display:grid;grid-template-columns:repeat(6,minmax(2.75rem,1fr));gap:.25rem}
.s5,.s10{grid-template-columns:repeat(5,minmax(2.75rem,1fr))}
.s7{grid-template-columns:repeat(7,minmax(2.25rem,1fr))}
.c label{display:flex;align-items:center;justify-content:center;min-height:2.75rem;
  padding:0 .25rem;border:1px solid var(--l);border-radius:.5rem;cursor:pointer}
.n{grid-column:1/-1}
.w{flex-direction:column}
.w label{justify-content:start;padding:.25rem .75rem}
input{accent-color:var(--o);margin:0;margin-inline-end:.5rem}
.s input,.t{position:absolute;opacity:0;pointer-events:none}
label:has(:checked){background:var(--a);color:var(--o)}
:focus-visible,label:has(:focus-visible){outline:3px solid var(--i);outline-offset:2px}
.e{display:flex;justify-content:space-between;gap:1rem;font-size:.875rem;margin:.25rem 0 0}
textarea{width:100%;padding:.5rem;color:inherit;background:inherit;
  border:1px solid var(--l);border-radius:.5rem}
button,a{display:inline-block;min-height:2.75rem;padding:.5rem 1.25rem;font-weight:600;
  color:var(--o);background:var(--a);border:0;border-radius:.5rem;cursor:pointer;
  text-decoration:none}
.x{position:absolute;inset-block-start:.25rem;inset-inline-end:.25rem;padding:0;
  width:2.75rem;color:inherit;background:0 0;font-size:1.5rem}
p{margin:0 0 1rem}
@media(prefers-reduced-motion){[role=dialog]{animation:none}}
@media(forced-colors:active){label:has(:checked){outline:3px solid Highlight;outline-offset:-3px}}
`;
const dark = `:host{--a:var(--afterword-accent,#7ab8ff);--o:var(--afterword-on-accent,#000);
  --i:#f0f0f0;--p:#16181c;--l:#8c9096}`;

const sheet = (text) => {
  const made = new CSSStyleSheet();
  made.replaceSync(text);
  return made;
};

const basic = sheet(css);
const colours = ([fill, ink]) =>
  `:host{--a:var(--afterword-accent,${fill});--o:var(--afterword-on-accent,${ink})}`;
const onlyDark = (text) => `@media(prefers-color-scheme:dark){${text}}`;

// `theme` is `light`, `dark`, or nothing for what the visitor's system says.
export function sheets(theme, brand) {
  const light = brand ? colours(brand.light) : "";
  const night = dark + (brand ? colours(brand.dark) : "");
  const chosen = theme == "dark" ? night : theme == "light" ? light : light + onlyDark(night);
  const scheme = theme ? `:host{color-scheme:${theme}}` : "";
  return [basic, sheet(chosen + scheme)];
}
