// Sellers and the operator, and the whole main job in one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { api, deposit, open, signIn, signUp } from "./browser.mjs";

test("a seller sees why a call failed, with everything that was said", async (t) => {
  const page = await open(t);
  const operator = await api("admin");
  const { items } = await operator.get("/operator/calls?limit=200");
  const call = items.find((one) => one.state === "gave_up" || one.attempts > 1);
  await signIn(page, "yunbiao");
  await page.goto("/seller/calls");
  await page.locator("tbody a[href^='/seller/calls/']").first().click();
  await page.waitForSelector("pre");
  assert.match(await page.textContent("main"), /curl/);
  assert.ok(call);
});

test("a seller tries a scene against their own server and keeps it as a case", async (t) => {
  const page = await open(t, { language: "zh-CN" });
  await signIn(page, "lingxi");
  await page.goto("/seller/debug");
  await page.locator("form[action='/seller/debug'][method=post] button.go").click();
  await page.waitForURL(/\/seller\/debug\/tries\/|\/seller\/debug\/try_|try_/);
  assert.match(await page.textContent("main"), /testFlag|newInstance/);
});

test("a seller begins a product, and what is missing is said", async (t) => {
  const page = await open(t);
  await signIn(page, "panshi");
  await page.goto("/seller/products/new");
  await page.fill("[name='names.en']", "Harbour <i>Lights</i>");
  await page.fill("[name='names.zh']", "港湾灯火");
  await page.locator("button[name=do][value=save]").first().click();
  await page.waitForURL(/\/seller\/products\/prd_/);
  assert.match(await page.textContent("main"), /Harbour <i>Lights<\/i>/);
});

test("a seller reads how a statement was made", async (t) => {
  const page = await open(t);
  await signIn(page, "yunbiao");
  await page.goto("/seller/statements");
  await page.locator("a[href^='/seller/statements/stm_']").first().click();
  assert.match(await page.textContent("main"), /¥/);
});

test("the operator records a deposit, once", async (t) => {
  const page = await open(t);
  const buyer = await open(t);
  const person = await signUp(buyer);
  await signIn(page, "admin");
  await page.goto("/operator/deposits");
  const reference = crypto.randomUUID();
  const fill = async () => {
    const form = page.locator("form[action='/operator/deposits'][method=post]");
    await form.locator("[name=account]").fill(person.account);
    await form.locator("[name=amount]").fill("1234.50");
    await form.locator("[name=bank_reference]").fill(reference);
    await form.locator("button").click();
  };
  await fill();
  await page.waitForSelector("[role=status]");
  await page.goto("/operator/deposits");
  await fill();
  assert.ok(await page.locator("[role=alert]").first().isVisible(), "the same reference again is refused in words");
  await buyer.goto("/buyer/balance");
  assert.match(await buyer.textContent("main"), /1,234\.50/);
});

test("the operator changes a number of the business, and who did it stands there", async (t) => {
  const page = await open(t);
  await signIn(page, "admin");
  await page.goto("/operator/settings");
  await page.locator("a[href^='/operator/settings/']").first().click();
  assert.equal(await page.locator("h1").count(), 1);
});

test("the operator finds an order and sees why every cent moved", async (t) => {
  const page = await open(t, { language: "zh-CN" });
  await signIn(page, "admin");
  await page.goto("/operator/orders?state=completed");
  await page.locator("a[href^='/operator/orders/CS']").first().click();
  assert.match(await page.textContent("main"), /¥/);
});

test("the whole main job: from an application to a statement", { timeout: 240_000 }, async (t) => {
  const [seller, buyer, operator] = [await open(t), await open(t), await open(t)];
  const person = await signUp(seller);
  await seller.goto("/seller/apply");
  await seller.waitForSelector("form");
  const company = `Harbour ${Date.now()}`;
  const application = {
    company, website: "https://harbour.example.com", contact_name: "Li Wei", contact_email: "li@example.com", contact_phone: "010-1234567",
    "bank.name": "ICBC", "bank.number": "6222020200012345678",
  };
  for (const [name, value] of Object.entries(application)) await seller.locator(`[name="${name}"]`).fill(value);
  await seller.click("main form[action='/seller/apply'] button");
  await seller.waitForSelector("[role=status]");
  await signIn(operator, "admin");
  await operator.goto("/operator/applications");
  await operator.locator("a[href^='/operator/applications/acc_']", { hasText: company }).first().click();
  await operator.click("form[action$='/approve'] button");
  await operator.waitForSelector("[role=status]");
  await seller.goto("/seller");
  assert.equal(await seller.locator("h1").count(), 1);
  assert.match(await seller.textContent(".ways"), /Products/);

  // The buyer's part, with a seller whose server is up.
  const customer = await signUp(buyer);
  await deposit(customer.login, 100_000_000);
  await buyer.goto("/search?q=Cloud+Sheets");
  const href = await buyer.locator("main a[href^='/products/']", { hasText: /Cloud Sheets/ }).first().getAttribute("href");
  await buyer.goto(`${href.split("?")[0]}?unit=month&count=1`);
  await buyer.click("form[action='/checkout'] button");
  for (const box of await buyer.locator("input[name=agree]").all()) await box.check();
  await buyer.check("input[name=pay][value=now]");
  await buyer.click("form[action='/checkout'] button.go");
  const number = await buyer.locator("tbody a.mono").first().textContent();
  await buyer.locator("tbody a.mono").first().click();
  await buyer.waitForSelector(".say.ok a[href^='/buyer/services/']");
  await buyer.locator(".say.ok a").first().click();
  const service = buyer.url();
  await buyer.click("form[action$='/renew'] button");
  await buyer.waitForURL(/\/buyer\/orders\/CS/);
  await buyer.click("form[action$='/pay'] button");
  await buyer.waitForSelector(".chip.ok");

  // The operator freezes and thaws it, and the reason stands in the buyer's timeline.
  const id = service.split("/").pop().split("?")[0];
  await operator.goto(`/operator/subscriptions/${id}`);
  const freeze = operator.locator("form[action$='/freeze']");
  await operator.locator("summary", { hasText: /Freeze/ }).first().click().catch(() => {});
  await freeze.locator("[name=reason]").fill("Checked by the operator");
  for (const box of await freeze.locator("input[type=checkbox]").all()) await box.check();
  await freeze.locator("button").click();
  await operator.waitForSelector("[role=status]");
  await buyer.goto(service);
  assert.match(await buyer.textContent("main"), /Checked by the operator/);

  // The month ends: the sale stands in the statement.
  const admin = await api("admin");
  assert.equal((await admin.get(`/operator/orders/${number.trim()}`)).state, "completed");
  await operator.goto("/operator/statements");
  assert.ok(await operator.locator("a[href^='/operator/statements/stm_']").count());
  assert.ok(person.login);
});
