// Keys: asked for once, kept for the tab alone, never in an address; buttons that the role may not use are absent.
export default async ({tab, url, facts, assert, check_access, picture}) => {
  const page = await tab();
  await page.goto(url);
  await page.getByLabel('API key').waitFor();
  await check_access(page, 'the key entry');
  await picture(page, 'key');
  await page.getByLabel('API key').fill('otad_wrong');
  await page.getByRole('button', {name: 'Open'}).click();
  await page.getByRole('alert').waitFor();

  await page.getByLabel('API key').fill(facts.viewer);
  await page.keyboard.press('Enter');
  await page.getByText('Nothing needs you.').waitFor();
  await page.getByText('To start a rollout, a key with the role operator is needed.').waitFor();
  assert.equal(await page.getByRole('link', {name: 'New rollout'}).count(), 0);
  assert.equal(await page.getByRole('link', {name: 'Audit'}).count(), 0);
  await page.goto(`${url}#/rollouts/new`);
  await page.getByText('To start a rollout, a key with the role operator is needed.').waitFor();
  await page.goto(`${url}#/audit`);
  await page.getByText('To read the audit log, a key with the role admin is needed.').waitFor();
  for (const [view, what] of Object.entries({keys: 'see API keys', settings: 'see the settings in force', webhooks: 'see webhooks', channels: 'make a channel', 'channels/default': 'change this channel'})) {
    await page.goto(`${url}#/${view}`);
    await page.getByText(`To ${what}, a key with the role admin is needed.`).waitFor();
    assert.equal(await page.locator('main button').count(), 0, view);
  }
  await page.goto(`${url}#/devices?where=online%3Dtrue`);
  await page.getByText('To move these devices, a key with the role operator is needed.').waitFor();
  await page.goto(`${url}#/devices/${facts.device}`);
  await page.getByText('To update or move this device, a key with the role operator is needed.').waitFor();
  assert.equal(await page.locator('main button').count(), 0);
  await page.reload();
  await page.getByText('To update or move this device').waitFor();
  assert.ok(!page.url().includes(facts.viewer));
  assert.equal(await page.evaluate(() => JSON.stringify([localStorage, document.cookie])), '[{},""]');

  await page.getByRole('button', {name: 'Leave'}).click();
  await page.getByLabel('API key').fill(facts.admin);
  await page.keyboard.press('Enter');
  await page.getByRole('button', {name: 'New token'}).waitFor();
  await page.getByText('Change its tags').click();
  await page.getByLabel(/^One a line/).fill('site=berlin\nrack=7');
  await page.getByRole('button', {name: 'Save the tags'}).click();
  await page.getByText('rack=7 site=berlin', {exact: true}).waitFor();
  await page.getByRole('link', {name: 'Audit'}).click();
  await page.getByRole('heading', {name: 'Audit'}).waitFor();

  // Another tab is asked again.
  const other = await tab();
  await other.goto(url);
  await other.getByLabel('API key').waitFor();
};
