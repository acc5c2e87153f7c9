// Takes a picture of one page of each kind, as each kind of person, in both languages, narrow and wide, light and dark.
import { mkdir } from "node:fs/promises";
import { chromium } from "playwright-core";
import { walk } from "./walk.mjs";

const { MARKET, PASSWORD, CHROMIUM, PICTURES } = process.env;
const people = { visitor: null, buyer: "hongda", seller: "yunbiao", operator: "admin" };
const wanted = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
let count = 0;

for (const [who, login] of Object.entries(people)) {
  if (wanted.length > 0 && !wanted.includes(who)) continue;
  for (const language of ["zh-CN", "en"]) {
    for (const width of [360, 1440]) {
      for (const scheme of ["light", "dark"]) {
        const folder = `${PICTURES}/${who}/${language}-${width}-${scheme}`;
        await mkdir(folder, { recursive: true });
        const context = await browser.newContext({ baseURL: MARKET, locale: language, viewport: { width, height: 900 }, colorScheme: scheme });
        const page = await context.newPage();
        if (login) {
          await page.goto("/sign-in");
          await page.fill("#login", login);
          await page.fill("#password", PASSWORD);
          await page.click("form.form button");
          await page.waitForURL((url) => url.pathname !== "/sign-in");
        }
        await walk(page, async (path) => {
          const name = path === "/" ? "home" : path.slice(1).replace(/[^a-zA-Z0-9_-]+/g, "-");
          await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
          count += 1;
        });
        await context.close();
        console.log(`${who}, ${language}, ${width} px, ${scheme}: ${count} pictures so far`);
      }
    }
  }
}
await browser.close();
