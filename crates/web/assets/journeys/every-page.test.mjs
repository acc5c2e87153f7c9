// Every page that a link leads to, as each kind of person sees it: axe finds no serious fault, and nothing is wider than the window.
import assert from "node:assert/strict";
import { test } from "node:test";
import { faults, laboratory, signIn } from "./browser.mjs";
import { walk } from "./walk.mjs";

for (const [who, login] of [["a visitor", null], ["a buyer", "hongda"], ["a seller", "yunbiao"], ["the operator", "admin"]]) {
  for (const [width, scheme, language] of [[1280, "light", "en"], [360, "dark", "zh-CN"]]) {
    test(`pages of ${who} at ${width} px, ${scheme}, ${language}`, { timeout: 240_000 }, async (t) => {
      const context = await laboratory({ width, scheme, language });
      t.after(() => context.close());
      const page = await context.newPage();
      if (login) await signIn(page, login);
      const wrong = [];
      const seen = await walk(page, async (path, wrongWay) => {
        if (wrongWay) wrong.push(`${path}: ${wrongWay}`);
        for (const fault of await faults(page)) wrong.push(`${path}: ${fault}`);
        const headings = await page.locator("h1").count();
        if (headings !== 1) wrong.push(`${path}: ${headings} first headings`);
        const missing = (await page.textContent("body")).match(/\bpage-[a-z-]+/);
        if (missing) wrong.push(`${path}: the text ${missing[0]} is missing`);
      });
      t.diagnostic(`${seen.length} pages`);
      assert.deepEqual(wrong, []);
      assert.ok(seen.length > (login ? 10 : 4), seen.join(" "));
    });
  }
}
