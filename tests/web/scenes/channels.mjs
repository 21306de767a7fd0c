// Channels by clicks: make one, change it, move devices there after a dry run, take its target, delete it.
const answer = (page, name) => page.getByRole('dialog').getByRole('button', {name, exact: true}).click();

export default async ({tab, url, facts, assert, check_access, picture}) => {
  const page = await tab();
  await page.goto(url);
  await page.getByRole('link', {name: 'Channels', exact: true}).click();
  await page.getByLabel('Name', {exact: true}).fill('Not good');
  await page.getByRole('button', {name: 'Make Not good'}).click();
  await page.getByRole('alert').getByText('must be 1 to 64 of a-z 0-9 _ -').waitFor();
  await page.getByLabel('Name', {exact: true}).fill('beta');
  await page.getByRole('button', {name: 'Make beta'}).click();
  await page.getByRole('heading', {name: 'Channel beta'}).waitFor();

  await page.getByLabel(/^Hours/).fill('sat,sun 25:00-04:00 Europe/Berlin');
  await page.getByRole('button', {name: 'Save'}).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel(/^Hours/).fill('sat,sun 23:00-04:00 Europe/Berlin\n02:00-05:00 device');
  await page.getByLabel('Notes').fill('for the brave');
  await page.getByLabel('another person must approve rollouts').check();
  await page.getByRole('button', {name: 'Save'}).click();
  await page.getByText('✓ Saved.').waitFor();
  await page.getByText('sat, sun 23:00–04:00 Europe/Berlin; every day 02:00–05:00 in each device’s zone').waitFor();
  await page.getByText('need another person’s approval').waitFor();
  await check_access(page, 'a channel');
  await picture(page, 'channel-beta');

  await page.getByRole('link', {name: 'Devices', exact: true}).click();
  await page.getByLabel('Filter').fill('channel = stable');
  await page.keyboard.press('Enter');
  await page.getByRole('combobox', {name: /^Move all that match/}).selectOption('beta');
  await page.getByRole('button', {name: 'Move to beta'}).click();
  await page.getByRole('dialog').getByText(`${facts.devices} devices change the channel; 0 devices of them`).waitFor();
  await answer(page, 'Move them');
  await page.getByText('0 match').waitFor();

  await page.getByRole('link', {name: 'Channels', exact: true}).click();
  await page.getByRole('link', {name: 'beta', exact: true}).click();
  await page.getByRole('button', {name: 'Delete the channel'}).click();
  await page.getByRole('dialog').getByText(`${facts.devices} devices follow it.`).waitFor();
  await answer(page, 'Delete it');
  await page.getByRole('dialog').getByRole('alert').waitFor();  // refused while devices follow it
  await answer(page, 'Keep as it is');

  await page.getByRole('link', {name: 'Channels', exact: true}).click();
  await page.getByRole('link', {name: 'stable', exact: true}).click();
  await page.getByRole('row', {name: /^gw-a/}).getByRole('button', {name: 'Remove target'}).click();
  await page.getByRole('dialog').getByText('get nothing until the next rollout').waitFor();
  await answer(page, 'Remove the target');
  await page.getByText('No device follows it, and it has no target.').waitFor();

  await page.getByRole('link', {name: 'Channels', exact: true}).click();
  await page.getByLabel('Name', {exact: true}).fill('spare');
  await page.getByRole('button', {name: 'Make spare'}).click();
  await page.getByRole('button', {name: 'Delete the channel'}).click();
  await answer(page, 'Delete it');
  await page.getByRole('heading', {name: 'Channels'}).waitFor();
  await page.getByRole('link', {name: 'beta', exact: true}).waitFor();
  assert.equal(await page.getByRole('link', {name: 'spare', exact: true}).count(), 0);
};
