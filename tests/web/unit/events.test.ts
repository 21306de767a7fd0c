import assert from 'node:assert/strict';
import {test} from 'node:test';
import {address_of, facts_of, newest_of, title_of, type EventPage} from '../../../src/web/app/events';
import {StreamParser, type LogEvent} from '../../../src/web/app/stream';

test('a stream is taken apart wherever it is cut', () => {
  const text = 'retry: 3000\n\nid: 7\ndata: {"a":\ndata: 1}\n\n:\n\nevent: gap\ndata:{"oldest": 3}\r\n\r\ndata: rest';
  const whole = [{event: 'message', data: '{"a":\n1}', id: '7'}, {event: 'gap', data: '{"oldest": 3}', id: null}];
  assert.deepEqual(new StreamParser().feed(text), whole);
  for (let cut = 1; cut < text.length; ++cut) {
    const parser = new StreamParser();
    // Where a CR LF is cut in two, the next piece begins with a blank line of its own: it ends nothing that isn't ended.
    assert.deepEqual([...parser.feed(text.slice(0, cut)), ...parser.feed(text.slice(cut))].map(({data}) => data), whole.map(({data}) => data), `cut at ${cut}`);
  }
});

const event = (some: Partial<LogEvent>): LogEvent => ({specversion: '1.0', id: '1', source: '/otad/x', type: 'otad.task.failed', time: '', subject: 'OTA_1',
  datacontenttype: 'application/json', data: {}, ...some});

test('an event is said in words, and leads to what it is about', () => {
  const halted = event({type: 'otad.rollout.halted', subject: 'RO_1', data: {firmware_version: '2.0.0', reason: 'budget_spent', stage: 1, stages: 4, counts: {}, device_id: ''}});
  assert.equal(title_of(halted), 'rollout halted');
  assert.equal(facts_of(halted), 'stage 1 of 4 · firmware version 2.0.0 · reason budget spent');
  assert.equal(address_of(halted), '#/rollouts/RO_1');
  assert.equal(address_of(event({type: 'otad.device.lost', subject: 'a/b'})), '#/devices/a%2Fb');
  assert.equal(address_of(event({type: 'otad.what.ever'})), null);
});

test('the newest events are read, filtered ones from further back', async () => {
  const asked: number[] = [];
  const read = async (since: number, limit: number): Promise<EventPage> => {
    asked.push(since);
    if (limit === 1) return {items: [], next: 1, oldest: 1, newest: 25_000};
    return {items: [event({id: String(since + 1)})], next: Math.min(25_000, since + 15_000), oldest: 1, newest: 25_000};
  };
  assert.deepEqual((await newest_of(read, 200, false)).map(({id}) => id), ['24801']);
  assert.deepEqual((await newest_of(read, 200, true)).map(({id}) => id), ['20001', '5001']);
  assert.deepEqual(asked, [0, 24_800, 0, 5000, 20_000]);
});
