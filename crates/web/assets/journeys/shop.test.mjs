// The storefront: finding, comparing, keeping, and buying of several sellers at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deposit, market, open, signUp } from "./browser.mjs";

const found = (page) => page.locator("main a[href^='/products/']");

/// A product of each of two sellers that is sold by the month.
const ofTwoSellers = async (page) => {
  const hrefs = new Set();
  for (const path of ["/", "/search", "/search?q=a"]) {
    await page.goto(path);
    for (const href of await found(page).evaluateAll((links) => links.map((link) => link.getAttribute("href").split("?")[0]))) hrefs.add(href);
  }
  const bySeller = new Map();
  for (const href of hrefs) {
    await page.goto(`${href}?unit=month&count=1`);
    const seller = await page.locator("main a[href^='/sellers/']").first().getAttribute("href");
    if ((await page.locator("form[action='/cart'] button").count()) && (await page.inputValue("#unit")) === "month") bySeller.set(seller, href);
    if (bySeller.size === 2) break;
  }
  assert.equal(bySeller.size, 2);
  return [...bySeller.values()];
};

test("a word in Chinese, its letters in pinyin and a misspelt English one find the same product", async (t) => {
  const page = await open(t, { language: "zh-CN" });
  for (const query of ["云表", "yunbiao", "yb", "Cloud Sheets"]) {
    await page.goto(`/search?q=${encodeURIComponent(query)}`);
    assert.ok(await found(page).filter({ hasText: /云表/ }).count(), query);
  }
});

test("suggestions come while one types", async (t) => {
  const page = await open(t);
  await page.goto("/");
  await page.locator("#q").pressSequentially("Cloud She", { delay: 30 });
  await page.waitForSelector("#suggestions a");
  await page.locator("#suggestions a").first().click();
  assert.match(page.url(), /\/(products|search)/);
});

test("filters narrow what is found, and their address can be given to somebody else", async (t) => {
  const page = await open(t);
  await page.goto("/search");
  const all = await found(page).count();
  await page.locator(".facets li a").first().click();
  const narrowed = page.url();
  assert.ok((await found(page).count()) <= all);
  const other = await open(t);
  await other.goto(narrowed);
  assert.equal(await found(other).count(), await found(page).count());
});

test("two products stand beside each other", async (t) => {
  const page = await open(t);
  await signUp(page);
  const ids = (await ofTwoSellers(page)).map((href) => href.split("/").pop());
  await page.goto(`/compare?ids=${ids.join(",")}`);
  assert.equal(await page.locator("table thead th").count() >= 3, true);
});

test("a product is kept as a favourite and dropped again", async (t) => {
  const page = await open(t);
  await signUp(page);
  const [href] = await ofTwoSellers(page);
  await page.goto(href);
  await page.click("form[action='/buyer/favourites'] button");
  await page.goto("/buyer/favourites");
  assert.ok(await found(page).count());
  await page.goto(href);
  await page.click("form[action='/buyer/favourites/remove'] button");
  await page.goto("/buyer/favourites");
  assert.equal(await found(page).count(), 0);
});

test("a cart of two sellers becomes two orders, once what must be agreed to is ticked", async (t) => {
  const page = await open(t, { language: "zh-CN" });
  const person = await signUp(page);
  await deposit(person.login, 100_000_000);
  for (const href of await ofTwoSellers(page)) {
    await page.goto(`${href}?unit=month&count=1`);
    await page.click("form[action='/cart'] button");
  }
  await page.goto("/checkout");
  await page.click("form[action='/checkout'] button.go");
  assert.match(page.url(), /\/checkout$/, "the browser asks for the ticks");
  for (const box of await page.locator("input[name=agree]").all()) await box.check();
  await page.check("input[name=pay][value=now]");
  await page.click("form[action='/checkout'] button.go");
  await page.waitForSelector("tbody a.mono");
  assert.equal(await page.locator("tbody a.mono").count(), 2);
  await page.goto("/buyer/agreements");
  assert.ok(await page.locator("main a[href^='/agreements/'], main li, main tbody tr").count());
});

test("a list is asked for as a file, watched, and fetched", async (t) => {
  const page = await open(t);
  const person = await signUp(page);
  await deposit(person.login, 12_345);
  await page.goto("/buyer/balance");
  await page.locator("form[action='/account/exports'] button").first().click();
  await page.waitForURL(/\/account\/exports/);
  const link = page.locator("a[href$='/download']").first();
  await link.waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(await download.path(), "utf8");
  assert.match(text, /123\.45/);
});

test("a forgotten password is reset by a mail", async (t) => {
  const page = await open(t);
  const { login } = await signUp(page);
  await page.context().clearCookies();
  await page.goto("/sign-in");
  await page.click("a[href^='/password/forgot']");
  await page.locator("form.form input").first().fill(login);
  await page.click("form.form button");
  let link;
  for (let tries = 0; tries < 40 && !link; tries += 1) {
    await page.goto("/outbox");
    const mail = page.locator("a[href^='/outbox/']").first();
    if (await mail.count()) {
      await mail.click();
      link = (await page.textContent("main")).match(/\/password\/reset\?token=[\w-]+/)?.[0];
    }
    if (!link) await page.waitForTimeout(250);
  }
  assert.ok(link, "the mail is there");
  await page.goto(link);
  const secret = "a-new-long-phrase-2026";
  for (const field of await page.locator("input[type=password]").all()) await field.fill(secret);
  await page.click("form.form button");
  await page.goto("/sign-in");
  await page.fill("#login", login);
  await page.fill("#password", secret);
  await page.click("form.form button");
  await page.waitForURL((url) => url.pathname !== "/sign-in");
  assert.ok(market);
});
