// A device that means harm: markup in its names, tags, versions and words stays text.
const VIEWS = (id) => ['#/', '#/devices', `#/devices/${encodeURIComponent(id)}`, '#/failures', '#/rollouts', '#/firmware', '#/audit', '#/events'];

export default async ({tab, url, facts, assert}) => {
  const page = await tab();
  await page.addInitScript(() => { window.harmed = 0; });
  for (const view of VIEWS(facts.device)) {
    await page.goto(url + view);
    await page.locator('main h1').waitFor({state: 'attached'});
    await page.getByText('Reading').waitFor({state: 'detached'});
    assert.equal(await page.evaluate(() => window.harmed), 0, view);
    assert.equal(await page.locator('main img, main script, main iframe').count(), 0, view);
  }
  await page.goto(`${url}#/devices/${encodeURIComponent(facts.device)}`);
  await page.locator('main').getByText('<img src=x onerror=window.harmed=1>').first().waitFor();
};
