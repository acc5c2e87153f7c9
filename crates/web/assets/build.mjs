// Makes what browsers load from the packages of package-lock.json: dist/app.js and dist/icons.svg.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";

// The icons that pages show, by their names in Lucide.
const icons = [
  "arrow-left", "arrow-right", "bell", "book-open", "calendar", "chart-column", "check", "chevron-right", "circle-alert", "circle-check", "circle-help",
  "clock", "copy", "credit-card", "download", "external-link", "eye", "eye-off", "file-text", "filter", "git-compare", "heart", "history", "house", "inbox",
  "info", "key-round", "languages", "layers", "list", "lock", "log-out", "mail", "menu", "minus", "package", "pause", "pencil", "play", "plug", "plus",
  "receipt-text", "refresh-cw", "rotate-ccw", "search", "send", "settings", "shield-check", "shopping-cart", "star", "store", "trash-2", "triangle-alert",
  "user", "users", "wallet", "x", "zap",
];

await mkdir("dist", { recursive: true });
await build({ entryPoints: ["app.js"], bundle: true, minify: true, format: "iife", target: "es2022", legalComments: "inline", outfile: "dist/app.js" });

const symbols = await Promise.all(icons.map(async (name) => {
  const svg = await readFile(`node_modules/lucide-static/icons/${name}.svg`, "utf8");
  const inner = svg.replace(/<!--.*?-->/gs, "").replace(/^[\s\S]*?<svg[\s\S]*?>/, "").replace(/<\/svg>\s*$/, "").replace(/\s+/g, " ").trim();
  return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${inner}</symbol>`;
}));
await writeFile("dist/icons.svg", `<svg xmlns="http://www.w3.org/2000/svg"><!-- Lucide, ISC licence: lucide.dev/license -->${symbols.join("")}</svg>\n`);
