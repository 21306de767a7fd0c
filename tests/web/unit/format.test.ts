import assert from 'node:assert/strict';
import {test} from 'node:test';
import {bytes, devices, percent, relative, sentence, span, window_text} from '../../../src/web/app/format';

test('spans have one unit', () => {
  assert.deepEqual([0, 59.6, 119, 120, 7199, 7200, 172_799, 172_800, 8_640_000].map(span),
    ['0 s', '60 s', '119 s', '2 min', '120 min', '2 h', '48 h', '2 d', '100 d']);
});

test('times are relative to now', () => {
  const now = Date.parse('2026-11-26T12:00:00Z');
  assert.equal(relative('2026-11-26T11:59:48Z', now), '12 s ago');
  assert.equal(relative('2026-11-26T12:10:00Z', now), 'in 10 min');
  assert.equal(relative('2026-11-26T12:00:00.400Z', now), 'now');
  assert.equal(relative('<b>never</b>', now), '<b>never</b>');
});

test('sizes have three digits at most before the unit changes', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 104_857_600, 2 ** 40].map(bytes), ['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '100 MiB', '1.0 TiB']);
});

test('a share says 0 % and 100 % only where that is so', () => {
  assert.deepEqual([[0, 10], [1, 1000], [1, 3], [999, 1000], [10, 10], [1, 0]].map(([part, whole]) => percent(part!, whole!)),
    ['0 %', '< 1 %', '33 %', '> 99 %', '100 %', '0 %']);
});

test('one device is singular', () => {
  assert.deepEqual([0, 1, 1_000_000].map(devices), ['0 devices', '1 device', '1,000,000 devices']);
});

test('windows are one sentence', () => {
  assert.equal(window_text(null), 'always');
  assert.equal(window_text([{days: ['sat', 'sun'], from: '23:00', to: '04:00', timezone: 'Europe/Berlin'}, {days: [], from: '01:00', to: '02:00', timezone: 'device'}]),
    'sat, sun 23:00–04:00 Europe/Berlin; every day 01:00–02:00 in each device’s zone');
});

test('a text of the server is a sentence', () => {
  assert.deepEqual(['the device is pinned', 'Done.', ' ', 'why?'].map(sentence), ['The device is pinned.', 'Done.', '', 'Why?']);
});
