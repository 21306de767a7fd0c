import assert from 'node:assert/strict';
import {test} from 'node:test';
import {query_text} from '../../../src/web/app/api';
import {segments} from '../../../src/web/app/buckets';
import {tags_change} from '../../../src/web/app/device_actions';
import {conditions_of} from '../../../src/web/app/devices';
import {group_failures, words_of} from '../../../src/web/app/failures';
import {needs_of} from '../../../src/web/app/needs';
import {steps_of} from '../../../src/web/app/rollout_actions';
import {step_of} from '../../../src/web/app/rollout_devices';
import {order_of, type Form} from '../../../src/web/app/rollout_new';
import {link_to, parse_route} from '../../../src/web/app/route';
import {rates_of, squares_of} from '../../../src/web/app/transfer';
import type {Setting} from '../../../src/web/app/schema';
import {matching, value_text} from '../../../src/web/app/settings';
import type {Buckets, LogEntry, OpenRollout, Summary, Task} from '../../../src/web/app/types';
import {guess} from '../../../src/web/app/upload';
import {groups_of, over_time} from '../../../src/web/app/versions';
import {lines_of, windows_of} from '../../../src/web/app/windows';

const buckets = (some: Partial<Buckets> = {}): Buckets => ({
  healthy: 0, failed: 0, overdue: 0, soaking: 0, staged: 0, assigned: 0, absent: 0, undelivered: 0, dropped: 0, ...some});

test('an address survives any id and filter', () => {
  for (const id of ['gw-1', 'a/b', 'ä?#&', '<script>', '100%']) {
    const {path, query} = parse_route(link_to(['devices', id], {where: ['tag.a=x&y', 'id~?'], none: null}));
    assert.deepEqual([path, query.getAll('where'), query.has('none')], [['devices', id], ['tag.a=x&y', 'id~?'], false]);
  }
  assert.deepEqual(parse_route('#/devices/%E0%A4%A').path, ['devices', '%E0%A4%A']);
  assert.deepEqual(parse_route('').path, []);
  assert.equal(query_text({a: '', b: undefined, c: 0, d: false}), '?c=0&d=false');
});

test('what is typed is conditions, or part of an id', () => {
  assert.deepEqual(conditions_of('gw-17'), ['id~gw-17']);
  assert.deepEqual(conditions_of('version < 1.5.0, tag.site=berlin and online=true'), ['version < 1.5.0', 'tag.site=berlin', 'online=true']);
  assert.deepEqual(conditions_of('  '), []);
  assert.deepEqual(conditions_of('android'), ['id~android']);
});

test('the bar shows what is in, and never more than all', () => {
  assert.deepEqual(segments(buckets({healthy: 5, failed: 5, dropped: 9}), 20), [{bucket: 'healthy', share: 25}, {bucket: 'failed', share: 25}]);
  assert.deepEqual(segments(buckets({healthy: 4}), 2), [{bucket: 'healthy', share: 100}]);
  assert.deepEqual(segments(buckets(), 0), []);
});

const rollout = (some: Partial<OpenRollout>): OpenRollout => ({
  rollout_id: 'RO_20261126_000001', channel: 'stable', hardware: null, version: '2.0.0', state: 'running', reason: null,
  waiting_for: {what: null, until: null, text: null}, buckets: buckets(), ...some});
const summary = (some: Partial<Summary>): Summary => ({
  at: '', devices: {total: 0, online: 0, living: 0}, versions: [], tasks: {}, failures: [], rollouts: [], public_url: null, last_backup_at: null,
  health: {status: 'ready', checks: {broker: {ok: true, detail: 'connected'}}}, ...some});

test('nothing needs a person while all goes well', () => {
  assert.deepEqual(needs_of(summary({rollouts: [rollout({}), rollout({state: 'scheduled'})]})), []);
});

test('the gravest comes first, with its button', () => {
  const needs = needs_of(summary({
    rollouts: [rollout({state: 'waiting_approval'}), rollout({buckets: buckets({overdue: 1})}), rollout({state: 'halted', reason: 'budget_spent', buckets: buckets({failed: 8})})],
    health: {status: 'not_ready', checks: {disk: {ok: false, detail: '3 MiB free'}, broker: {ok: true, detail: ''}}}}));
  assert.deepEqual(needs.map(({grave, button}) => [grave, button]), [[true, 'Details'], [true, 'Read why'], [false, 'Review'], [false, 'Show them']]);
  assert.match(needs[1]!.text, /its failure budget is spent\. 8 devices failed/);
  assert.match(needs[3]!.href, /bucket=overdue/);
});

test('a warning needs a person, but not at once', () => {
  const needs = needs_of(summary({health: {status: 'ready', checks: {
    broker: {ok: true, detail: 'connected'}, certificate: {ok: true, warning: true, detail: 'it ends in 3 days'}}}}));
  assert.deepEqual(needs.map(({grave, text}) => [grave, text]), [[false, 'The server’s certificate must be renewed: it ends in 3 days.']]);
});

test('a webhook needs a person where it fails, not where somebody disabled it', () => {
  const hook = (some: object) => ({url: 'https://x/', enabled: true, disabled_reason: null, failing_since: null, last_error: null, ...some}) as never;
  const needs = needs_of(summary({}), [hook({}), hook({enabled: false}), hook({failing_since: 'x', last_error: 'refused'}), hook({enabled: false, disabled_reason: 'gone'})]);
  assert.deepEqual(needs.map(({text}) => text), ['The webhook https://x/ fails: refused.', 'The webhook https://x/ is disabled: gone.']);
});

test('a backup needs a person where it is old or missing, and there is a fleet', () => {
  const at = '2026-11-27T12:00:00Z', fleet = {total: 3, online: 3, living: 3};
  const texts = (some: Partial<Summary>) => needs_of(summary({at, ...some})).map(({text}) => text);
  assert.deepEqual(texts({}), []);
  assert.deepEqual(texts({devices: fleet}), ['No backup was made yet.']);
  assert.deepEqual(texts({devices: fleet, last_backup_at: '2026-11-25T12:00:00Z'}), []);
  assert.deepEqual(texts({devices: fleet, last_backup_at: '2026-11-20T12:00:00Z'}), ['The last backup is 7 d old.']);
});

test('tags change by lines', () => {
  assert.deepEqual(tags_change({site: 'berlin', rack: '7'}, 'site = berlin\nfloor=3=b\n\n'), {floor: '3=b', rack: null});
  assert.deepEqual(tags_change({site: 'berlin'}, 'site=berlin'), {});
});

test('a window is a line, there and back', () => {
  assert.equal(windows_of(' \n'), null);
  assert.deepEqual(windows_of('sat, sun 23:00-04:00 Europe/Berlin\n02:00–05:00\nmon 1:00-2:00 device'), [
    {days: ['sat', 'sun'], from: '23:00', to: '04:00', timezone: 'Europe/Berlin'}, {from: '02:00', to: '05:00'},
    {days: ['mon'], from: '1:00', to: '2:00', timezone: 'device'}]);
  const windows = windows_of('sat,sun 23:00-04:00 Europe/Berlin\n02:00-05:00 UTC');
  assert.deepEqual(windows_of(lines_of(windows)), windows);
  assert.deepEqual(windows_of('at night'), [{from: 'at night', to: ''}]);
});

test('settings are found by words, and by what set them', () => {
  const setting = (key: string, description: string, source = 'default') => ({key, description, source}) as Setting;
  const all = [setting('http.max_rate', 'Limit of downloads', 'file'), setting('http.listen', 'Address'), {...setting('mqtt.url', 'Address of the broker'), needs_restart: true}];
  const keys = (find: string, set = false) => matching(all, find, set).map(({key}) => key);
  assert.deepEqual(keys('ADDRESS http'), ['http.listen']);
  assert.deepEqual(keys('', true), ['http.max_rate', 'mqtt.url']);
  assert.equal(keys('').length, 3);
  assert.deepEqual([['a', 'b'], [], '', null, false, 0].map((value) => value_text(value)), ['a, b', 'none', 'none', 'none', 'false', '0']);
});

test('each state offers what the server would take', () => {
  assert.deepEqual(steps_of('halted'), ['resume', 'retry', 'rollback', 'cancel']);
  assert.deepEqual(steps_of('cancelled'), []);
});

test('a long rollout is drawn with fewer points', () => {
  const start = '2026-11-01T00:00:00Z';
  assert.equal(step_of(start, '2026-11-01T01:00:00Z', 0), 60);
  assert.equal(step_of(start, '2026-12-01T00:00:00Z', 0) % 60, 0);
  assert.ok(30 * 86_400 / step_of(start, '2026-12-01T00:00:00Z', 0) <= 2000);
  assert.equal(step_of(null, null, Date.now()), 60);
});

test('an order has what was filled in alone', () => {
  const empty: Form = {firmware: '1', channel: 'stable', stages: ' ', max_failures: '', soak_min: '', delay_min: '', where: '', notes: '', supersede: false, force: false, ignore_window: false};
  assert.deepEqual(order_of(empty, {version: '2.0.0', hardware: null}), {channel: 'stable', version: '2.0.0', hardware: ''});
  assert.deepEqual(order_of({...empty, stages: 'canary,40, 10%', soak_min: '0.5', delay_min: '60', where: 'tag.site = berlin\n\n', force: true}, {version: '2', hardware: 'gw-a'}),
    {channel: 'stable', version: '2', hardware: 'gw-a', stages: ['canary', 40, '10%'], soak_s: 30, stage_delay_s: 3600, where: ['tag.site = berlin'], force: true});
});

test('a file’s name gives version and hardware', () => {
  assert.deepEqual(guess('gw-a-1.5.0.bin'), {version: '1.5.0', hardware: 'gw-a'});
  assert.deepEqual(guess('v2.0.1-rc.1.img.gz'), {version: '2.0.1-rc.1', hardware: ''});
  assert.deepEqual(guess('image.bin'), {version: '', hardware: ''});
});

test('failures are grouped by words, not by numbers in them', () => {
  const task = (id: string, detail: string | null, reason = 'device_failed'): Task =>
    ({task_id: id, device_id: id, detail, reason, firmware_version: '2.0.0', hardware: 'gw-a', ended_at: '2026-11-26T12:00:00Z', updated_at: ''}) as Task;
  const groups = group_failures([task('a', 'x\nerror at 0x1f sector 12'), task('b', 'error at 0x2e sector 9'), task('c', null, 'silent')]);
  assert.deepEqual(groups.map(({count, devices}) => [count, devices]), [[2, ['a', 'b']], [1, ['c']]]);
  assert.equal(words_of({detail: null, reason: 'retry_limit'}), 'retry limit');
});

test('versions are summed by channel and hardware, with the target', () => {
  const count = (version: string | null, devices: number, channel = 'stable', hardware: string | null = 'gw-a') => ({version, devices, channel, hardware, living: devices});
  const channels = [{name: 'stable', hardware: [{hardware: 'gw-a', target: {version: '2', rollout_id: null}}]}] as never;
  const groups = groups_of([count('1', 3), count('2', 5), count('2', 1), count('9', 1, 'beta', null)], channels, 1);
  assert.deepEqual(groups.map(({channel, devices, target, versions}) => ({channel, devices, target, versions})), [
    {channel: 'stable', devices: 9, target: '2', versions: [{version: '2', devices: 6}, {version: '(others)', devices: 3}]},
    {channel: 'beta', devices: 1, target: null, versions: [{version: '9', devices: 1}]}]);
});

test('over time a number holds until the next point', () => {
  const point = (hour: number, version: string, devices: number) => ({at: `2026-11-26T0${hour}:00:00Z`, channel: 'stable', hardware: null, version, devices});
  const now = Date.parse('2026-11-26T05:00:00Z');
  const {times, series} = over_time([point(1, '1', 10), point(3, '2', 4), point(3, '1', 6)], now);
  assert.equal(times.length, 3);
  assert.deepEqual(series, [{version: '1', values: [10, 6, 6]}, {version: '2', values: [0, 4, 4]}]);
  assert.deepEqual(over_time([], now), {times: [], series: []});
});

const entry = (some: Partial<LogEntry>): LogEntry => ({id: 1, at: '2026-11-26T12:00:10Z', kind: 'chunks', by: '', event: null, reason: null, detail: null, attempt: 1, chunks: [], bytes: 0, ms: 0, rate: 0, transport: 'http', ...some});

test('a square is what was last known of its chunk', () => {
  const cells = squares_of(5, 3, [entry({chunks: [[0, 2]]}), entry({chunks: [[2, 2]], kind: 'mismatch'}), entry({chunks: [[3, 3]], transport: 'mqtt'})]);
  assert.deepEqual(cells.map(({square}) => square), ['http', 'http', 'wrong', 'mqtt', 'missing']);
  assert.ok(squares_of(65_536, 0, []).length <= 400);
  assert.deepEqual(squares_of(2, 2, []).map(({square}) => square), ['http', 'http']);
  assert.deepEqual(squares_of(2, 0, [entry({chunks: [[0, 9_999_999]]})]).length, 2);
});

test('the speed falls to nothing between runs', () => {
  const {times, rates} = rates_of([entry({bytes: 1000, ms: 1000, rate: 1000}), entry({at: '2026-11-26T12:01:00Z', bytes: 500, ms: 1000, rate: 500}), entry({})]);
  assert.deepEqual(rates, [1000, 1000, 0, 0, 500, 500]);
  assert.ok(times.every((time, index) => index === 0 || time > times[index - 1]!));
});
