// Buyers: from the first look to the return.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deposit, open, signIn, signUp } from "./browser.mjs";

/// Cloud Sheets, which is sold by the month and opened at once.
const product = async (page) => {
  await page.goto("/search?q=Cloud+Sheets");
  const href = await page.locator("main a[href^='/products/']", { hasText: /Cloud Sheets|云表/ }).first().getAttribute("href");
  await page.goto(href);
  return href.split("?")[0];
};

/// Goes through the checkout of what was chosen, and comes to the order's page.
const checkout = async (page) => {
  for (const box of await page.locator("input[name=agree]").all()) await box.check();
  await page.check("input[name=pay][value=later]");
  await page.click("form[action='/checkout'] button.go");
  await page.locator("tbody a.mono").first().click();
  await page.waitForURL(/\/buyer\/orders\/CS/);
  return page.url();
};

/// Chooses a month of a product, orders it and comes to the order's page.
const order = async (page, { months = "1" } = {}) => {
  const path = await product(page);
  await page.goto(`${path}?unit=month&count=${months}`);
  await page.click("form[action='/checkout'] button");
  return checkout(page);
};

const pay = async (page) => {
  await page.click("form[action$='/pay'] button");
};

/// A new buyer with money and a service in use.
const owner = async (page) => {
  const person = await signUp(page);
  await deposit(person.login, 100_000_000);
  await order(page, { months: "2" });
  await pay(page);
  await page.locator("a[href^='/buyer/services/'].btn").first().click();
  await page.waitForURL(/\/buyer\/services\/sub_/);
  return person;
};

test("a visitor looks around in Chinese and in English", async (t) => {
  const page = await open(t, { language: "zh-CN" });
  await page.goto("/");
  assert.equal(await page.getAttribute("html", "lang"), "zh-CN");
  await page.click("button[value=en]");
  assert.equal(await page.getAttribute("html", "lang"), "en");
  await product(page);
  assert.match(await page.textContent("main"), /¥/);
  await page.click("button[value='zh-CN']");
  assert.match(page.url(), /\/products\//, "the language changes where one stands");
});

test("somebody signs up, is told beside the field what is wrong, and loses nothing", async (t) => {
  const page = await open(t, { language: "zh-CN" });
  await page.goto("/sign-up");
  await page.fill("#account", "x");
  await page.fill("#title", "<b>公司</b>");
  await page.fill("#name", "李伟");
  await page.fill("#email", "li@example.com");
  await page.fill("#login", "li wei");
  await page.fill("#password", "short");
  await page.click("form.form button");
  assert.ok(await page.locator(".wrong[role=alert]").first().isVisible());
  assert.equal(await page.inputValue("#title"), "<b>公司</b>");
  assert.equal(await page.inputValue("#login"), "li wei");
});

test("a buyer orders, pays and sees it open while they look", async (t) => {
  const page = await open(t);
  const person = await signUp(page);
  await deposit(person.login, 100_000_000);
  await order(page);
  const loads = [];
  page.on("load", () => loads.push(page.url()));
  await pay(page);
  await page.waitForSelector(".say.ok a[href^='/buyer/services/']");
  assert.ok(loads.length <= 1, `the page changed by itself: ${loads}`);
  await page.locator(".say.ok a").first().click();
  await page.waitForSelector("#access a.btn.go");
});

test("a second press of a button does a thing once, and going back shows what is true now", async (t) => {
  const page = await open(t);
  const person = await signUp(page);
  await deposit(person.login, 100_000_000);
  const path = await product(page);
  await page.goto(`${path}?unit=month&count=1`);
  await page.click("form[action='/checkout'] button");
  for (const box of await page.locator("input[name=agree]").all()) await box.check();
  await page.check("input[name=pay][value=later]");
  await page.locator("form[action='/checkout'] button.go").dblclick();
  await page.locator("tbody a.mono").first().click();
  await page.waitForURL(/\/buyer\/orders\/CS/);
  const order = page.url();
  await page.locator("form[action$='/pay'] button").dblclick();
  await page.waitForSelector("form[action$='/pay']", { state: "detached" });
  await page.goto("/buyer/balance");
  await page.goBack();
  assert.equal(page.url(), order);
  assert.equal(await page.locator("form[action$='/pay']").count(), 0, "what is paid cannot be paid again");
  await page.goto("/buyer/orders");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.goto("/buyer/balance");
  assert.equal(await page.locator("tbody tr").count(), 2, "a deposit and one payment");
});

test("a balance that is too low is said, with what to do", async (t) => {
  const page = await open(t);
  await signUp(page);
  await order(page);
  assert.match(await page.textContent("aside"), /balance is too low/);
  await page.click("form[action$='/cancel'] button");
  assert.match(await page.textContent("main"), /Cancelled/);
});

test("a service is renewed by hand, and from then on by itself", async (t) => {
  const page = await open(t);
  await owner(page);
  const service = page.url();
  await page.click("form[action$='/renew'] button");
  await page.waitForURL(/\/buyer\/orders\/CS/);
  await pay(page);
  await page.waitForSelector(".chip.ok");
  await page.goto(service);
  await page.selectOption("#mode", "auto");
  await page.click("form[action$='/renewal'] button");
  await page.waitForSelector("[role=status]");
  assert.equal(await page.inputValue("#mode"), "auto");
});

test("a change shows its price while one chooses", async (t) => {
  const page = await open(t, { language: "zh-CN" });
  await owner(page);
  const change = page.locator("a[href$='/change']");
  await change.click();
  await page.fill("#quantity", "9999999");
  await page.locator("#quantity").blur();
  await page.waitForSelector("#change [role=alert]");
  assert.equal(await page.inputValue("#quantity"), "9999999");
});

test("a service is returned after one has said that one is sure", async (t) => {
  const page = await open(t);
  await owner(page);
  await page.click("details.apart summary");
  await page.click("form[action$='/return'] button");
  assert.match(page.url(), /\/buyer\/services\//, "the browser asks for the tick");
  await page.check("form[action$='/return'] input[type=checkbox]");
  await page.click("form[action$='/return'] button");
  await page.waitForURL(/\/buyer\/orders\/CS/);
  await page.waitForSelector(".chip.idle");
});

test("the whole way without a script", async (t) => {
  const page = await open(t, { scripts: false, language: "zh-CN" });
  const person = await signUp(page);
  await deposit(person.login, 100_000_000);
  await order(page);
  await pay(page);
  for (let tries = 0; tries < 40 && !(await page.locator("a[href^='/buyer/services/'].btn").count()); tries += 1) {
    await page.waitForTimeout(250);
    await page.reload();
  }
  await page.locator("a[href^='/buyer/services/'].btn").first().click();
  await page.locator("#access a", { hasText: "查询" }).click();
  assert.ok(await page.locator("#access dl").isVisible());
});

test("the whole way with the keyboard alone", async (t) => {
  const page = await open(t);
  const person = await signUp(page);
  await deposit(person.login, 100_000_000);
  const path = await product(page);
  await page.goto(`${path}?unit=month&count=1`);
  /// Tabs to the element and presses it; what has the focus is seen to have it.
  const reach = async (selector, key = "Enter") => {
    for (let presses = 0; presses < 120; presses += 1) {
      await page.keyboard.press("Tab");
      const there = await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector);
      if (!there) continue;
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(outline, "none", `${selector} shows that it has the focus`);
      return page.keyboard.press(key);
    }
    throw new Error(`${selector} is not reached`);
  };
  await reach("form[action='/checkout'] button");
  await page.waitForURL(/\/checkout/);
  await reach("input[name=agree]", "Space");
  if ((await page.locator("input[name=agree]").count()) > 1) await reach("input[name=agree]", "Space");
  await reach("form[action='/checkout'] button.go");
  await page.waitForURL(/\/checkout\//);
  await reach("tbody a.mono");
  await page.waitForURL(/\/buyer\/orders\/CS/);
  if (await page.locator("form[action$='/pay']").count())
  await reach("form[action$='/pay'] button");
  await page.waitForSelector(".say.ok a[href^='/buyer/services/']");
  await reach(".say.ok a");
  await page.waitForURL(/\/buyer\/services\/sub_/);
});
