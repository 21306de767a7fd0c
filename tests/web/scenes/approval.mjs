// Two people: who made a rollout can't approve it; a second key can. A key that is removed is asked for again.
const enter = async (page, url, key) => {
  await page.goto(url);
  await page.getByLabel('API key').fill(key);
  await page.keyboard.press('Enter');
  await page.getByText('● live').waitFor();
};

export default async ({tab, url, facts, ask}) => {
  const maker = await tab();
  await enter(maker, url, facts.maker);
  await maker.getByRole('link', {name: 'New rollout'}).click();
  await maker.getByRole('combobox', {name: /^Firmware/}).selectOption({label: '4.0.0 · gw-a'});
  await maker.getByRole('combobox', {name: /^Channel/}).selectOption('stable');
  await maker.getByRole('button', {name: /^Start for/}).click();
  await maker.getByRole('heading', {name: /4\.0\.0 → stable/}).getByText('waiting approval').waitFor();
  await maker.getByRole('button', {name: 'Approve'}).click();
  await maker.getByRole('alert').getByText(/another|same|other/i).waitFor();

  const other = await tab();
  await enter(other, url, facts.other);
  await other.getByText('waits for another person’s approval').waitFor();
  await other.getByRole('link', {name: 'Review'}).click();
  await other.getByRole('button', {name: 'Approve'}).click();
  await other.getByRole('heading', {name: /4\.0\.0 → stable/}).getByText('running').waitFor();
  await other.getByText(/approved by other/).waitFor();
  // The first tab is told by an event.
  await maker.getByRole('heading', {name: /4\.0\.0 → stable/}).getByText('running').waitFor();

  await ask('revoke');
  await other.getByLabel('API key').waitFor();
};
