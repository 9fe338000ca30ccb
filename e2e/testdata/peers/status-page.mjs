// A reader of the status page, for browser_test.go of internal/statuspage. It opens each
// of $PAGES (JSON: {name, url}) in the browser $CHROMIUM, narrow and wide, light and dark,
// and prints what is wrong with it: messages of the console, requests to elsewhere,
// findings of axe-core, and what is wider than the window. $SHOTS is a folder for pictures,
// or empty. In $LIVE, it waits for a change of the page, and prints the headlines.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { PAGES, LIVE, CHROMIUM, SHOTS } = process.env;
const views = [[320, 'dark'], [768, 'light'], [1440, 'light'], [1440, 'dark']].slice(0, process.env.SHOTS ? 4 : 3);
const wrong = [];

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function open({ name, url }, options) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const say = (what) => wrong.push(`${name}: ${what}`);
  page.on('console', (message) => say(`console: ${message.text()}`));
  page.on('pageerror', (error) => say(`error: ${error}`));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin && !request.url().startsWith('data:')) say(`request to ${request.url()}`);
  });
  return { context, page, say };
}

// Everything that can be reached with Tab, in its order, shows that it has the focus.
async function tabs(page, say) {
  const reached = [];
  for (let i = 0; i < 400; i++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      if (!e || e === document.body) return null;
      const style = getComputedStyle(e);
      return { text: e.getAttribute('aria-label') || e.textContent.trim() || e.id, ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 };
    });
    if (!at) break;
    if (!at.ring) say(`no focus ring at ${at.text}`);
    reached.push(at.text);
  }
  const all = await page.evaluate(() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary, [tabindex="0"]')]
    .filter((e) => !e.closest('details:not([open])') || e.tagName === 'SUMMARY').map((e) => e.getAttribute('aria-label') || e.textContent.trim() || e.id));
  if (JSON.stringify(all) !== JSON.stringify(reached)) say(`Tab reaches ${JSON.stringify(reached)}, and not ${JSON.stringify(all)}`);
}

// axe-core looks at the page with everything open.
async function look(page, say) {
  await page.evaluate(() => { for (const d of document.querySelectorAll('details')) d.open = true; });
  const { violations } = await page.evaluate(`${axe}; axe.run()`);
  for (const v of violations) say(`axe: ${v.id}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' ')}`);
  await page.evaluate(() => { for (const d of document.querySelectorAll('details')) d.open = false; });
}

// A slider shows the numbers of one hour or day in all charts of its column, with the
// keyboard. So does the pointer.
async function charts(page, say) {
  const figures = (column, slot) => page.evaluate(([column, slot]) => [...document.querySelectorAll('.charts tbody tr')].map(({ cells }) => {
    const count = cells[column].querySelector('svg').dataset.counts.split(' ')[slot];
    return { count, shown: cells[column].querySelector('p').textContent.split(' ')[0].replaceAll(',', '') };
  }), [column, slot]);
  const check = async (how, column, slot) => {
    for (const { count, shown } of await figures(column, slot)) if (count !== shown) say(`${how}: ${shown} is shown of slot ${slot}, and not ${count}`);
  };
  const sliders = await page.locator('.charts th input').all();
  for (const [i, slider] of sliders.entries()) {
    await slider.focus();
    await page.keyboard.press('Home');
    await check('Home', i + 1, 0);
    await page.keyboard.press('ArrowRight');
    await check('the arrow', i + 1, 1);
    if (!/: Tokens issued |: \w+ refused at |: \w+ report_only/.test(await slider.getAttribute('aria-valuetext'))) say(`a slider says ${await slider.getAttribute('aria-valuetext')}`);
    await slider.blur();
    const svg = page.locator(`.charts tbody tr:first-child td:nth-child(${i + 2}) svg`);
    const { width } = await svg.boundingBox();
    const slots = (await svg.getAttribute('data-counts')).split(' ').length;
    await svg.hover({ position: { x: width * 2.5 / slots, y: 8 } });
    await check('the pointer', i + 1, 2);
    await page.mouse.move(0, 0);
  }
}

const text = async (page) => (await page.locator('main').textContent()).replaceAll('Copy', '').replaceAll(/\s+/g, ' ');

for (const one of JSON.parse(PAGES)) {
  const { context, page, say } = await open(one, {});
  await page.addInitScript(() => { window.fetch = () => new Promise(() => {}); }); // the page stays as it is
  await page.goto(one.url);
  for (const [width, colorScheme] of views) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wider > 0) say(`${wider} pixels wider than ${width}`);
    if (width !== 768) await look(page, (what) => say(`${width}, ${colorScheme}: ${what}`));
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/${one.name.replaceAll(/\W+/g, '-')}-${width}-${colorScheme}.png`, fullPage: true });
  }
  await tabs(page, say);
  await charts(page, say);
  const scripted = await text(page);
  await context.close();
  const plain = await open(one, { javaScriptEnabled: false });
  await plain.page.goto(one.url);
  if (await text(plain.page) !== scripted) say('the text without a script is another one');
  await plain.context.close();
}

const headlines = [];
if (LIVE) {
  const { context, page } = await open({ name: 'live', url: LIVE }, {});
  await page.addInitScript(() => { window.setTimeout = (then) => { window.due = then; }; }); // time passes when it is said
  await page.goto(LIVE);
  headlines.push(await page.locator('h1').textContent());
  for (const step of ['first', 'same', 'changed', 'gone']) {
    const answer = page.waitForEvent('response');
    await page.evaluate(() => window.due());
    headlines.push(`${step}: ${(await answer).status()}`);
    if (step === 'changed') await page.getByRole('heading', { level: 1, name: '1 thing needs you' }).waitFor();
    if (step === 'gone') await page.getByText('The server does not answer').waitFor();
    headlines.push(await page.locator('h1').textContent());
  }
  await context.close();
}
await browser.close();
console.log(JSON.stringify({ wrong, headlines }));
