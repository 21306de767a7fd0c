// What admins do by clicks: make a key, rotate, end and revoke it; read the settings in force; webhooks.
const open = async (page, url, key) => {
  await page.goto(url);
  await page.getByLabel('API key').fill(key);
  await page.keyboard.press('Enter');
  await page.getByText(/● (live|read every 5 s)/).waitFor();
};

const secret_of = async (page) => {
  const secret = await page.locator('.secret code').innerText();
  await page.getByRole('button', {name: 'Hide'}).click();
  return secret;
};

const answer = (page, name) => page.getByRole('dialog').getByRole('button', {name, exact: true}).click();

async function keys({page, tab, url, assert, check_access, picture}) {
  await page.getByRole('link', {name: 'Keys', exact: true}).click();
  await page.getByLabel('Name', {exact: true}).fill('field');
  await page.getByRole('combobox', {name: /^Role/}).selectOption('operator');
  await page.getByLabel(/^Only devices/).fill('tag.site=lab');
  await page.getByRole('button', {name: 'Make the key'}).click();
  await page.locator('.secret').waitFor();
  await check_access(page, 'a new key');
  await picture(page, 'key-made');
  const first = await secret_of(page);
  const row = page.getByRole('row', {name: /^field /});
  await row.getByText('tag.site=lab').waitFor();

  const guest = await tab();
  await open(guest, url, first);
  await row.getByRole('cell', {name: /ago|now/}).first().waitFor();  // its last use

  await row.getByRole('button', {name: 'Rotate'}).click();
  await page.getByRole('dialog').getByLabel(/^The present one works/).fill('2');
  await answer(page, 'Rotate');
  const second = await secret_of(page);
  assert.notEqual(first, second);
  await row.getByText(/the secret before ends/).waitFor();
  await guest.reload();
  await guest.getByText('● read every 5 s').waitFor();  // its scope keeps events from it
  await guest.getByRole('button', {name: 'Leave'}).click();
  await open(guest, url, second);

  await row.getByRole('button', {name: 'End'}).click();
  await page.getByRole('dialog').getByLabel(/^From then on/).fill('2020-01-01T00:00');
  await answer(page, 'Set the end');
  await row.getByText(/ended/).waitFor();
  await guest.getByLabel('API key').waitFor();
  await row.getByRole('button', {name: 'End'}).click();
  await page.getByRole('dialog').getByLabel(/^From then on/).fill('');
  await answer(page, 'Set the end');
  await row.getByText(/ended/).waitFor({state: 'detached'});
  await guest.reload();
  await guest.getByText('● read every 5 s').waitFor();

  await row.getByRole('button', {name: 'Remove'}).click();
  await page.getByRole('dialog').getByText(/One key, role operator/).waitFor();
  await check_access(page, 'a key to remove');
  await answer(page, 'Remove it');
  await row.waitFor({state: 'detached'});
  await guest.getByLabel('API key').waitFor();  // its owner is asked again

  await page.getByRole('row', {name: /^admin /}).getByRole('button', {name: 'Remove'}).click();
  await page.getByText(/It is the key of this page/).waitFor();
  await page.getByText(/the only key of an admin/).waitFor();
  await answer(page, 'Keep as it is');
}

async function settings({page, ask, facts, assert}) {
  await page.getByRole('link', {name: 'Settings', exact: true}).click();
  await page.getByLabel('Find', {exact: true}).fill('mqtt.url');
  const row = page.getByRole('row', {name: /^mqtt\.url/});
  await row.getByText(facts.broker, {exact: true}).waitFor();
  await row.getByText(/otad\.toml:\d+$/).waitFor();
  assert.match(page.url(), /find=mqtt\.url/);
  await page.getByLabel('Find', {exact: true}).fill('');
  await page.getByLabel('only those that were set').check();
  await page.getByRole('row', {name: /^log\.level/}).waitFor({state: 'detached'});
  await ask('settings');
  await page.getByText('1 change waits for a restart.').waitFor();
  await page.getByRole('row', {name: /^mqtt\.qos/}).getByText('2 after a restart').waitFor();
  await page.getByRole('row', {name: /^tasks\.max_active/}).getByText('7', {exact: true}).waitFor();
}

async function webhooks({page, facts, ask, check_access, picture}) {
  await page.getByRole('link', {name: 'Webhooks', exact: true}).click();
  await page.getByLabel('URL', {exact: true}).fill(facts.receiver);
  await page.getByRole('textbox', {name: /^Events/}).fill('firmware.*');
  await page.getByRole('button', {name: 'Add', exact: true}).click();
  await page.locator('.secret').waitFor();
  await secret_of(page);
  await page.getByRole('button', {name: 'Test'}).click();
  await page.getByText(/^✓ delivered in \d+ ms$/).waitFor();
  await ask('event');  // it waits until the receiver has it

  await page.getByRole('button', {name: 'Replay'}).click();
  await page.getByRole('dialog').getByLabel(/^Events above/).fill('0');
  await answer(page, 'Replay');
  await ask('replayed');

  await page.getByRole('button', {name: 'Rotate'}).click();
  await answer(page, 'Rotate');
  await secret_of(page);
  await page.getByText(/the secret before signs too and ends/).waitFor();
  await ask('refuse');
  await page.getByRole('button', {name: 'Test'}).click();
  await page.getByText('✗ not delivered').waitFor();
  await check_access(page, 'a webhook that fails its test');
  await picture(page, 'webhook');
  await page.getByRole('button', {name: 'Remove'}).click();
  await answer(page, 'Remove it');
  await page.getByText('None yet.').waitFor();
}

export default async (tools) => {
  const page = await tools.tab();
  await open(page, tools.url, tools.facts.admin);
  for (const part of [keys, settings, webhooks]) await part({...tools, page});
};
