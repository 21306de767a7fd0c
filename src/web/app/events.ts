// Events as sentences, with the address of what they are about.
import {words} from './format';
import {link_to} from './route';
import type {LogEvent} from './stream';

export const GROUPS = ['rollout', 'task', 'device', 'firmware', 'server'];

const SHOWN = ['firmware_version', 'version', 'from_version', 'channel', 'from_channel', 'device_id', 'hardware', 'component', 'reason',
  'detail', 'by'];

/// `otad.rollout.halted` → `rollout halted`.
export function title_of({type}: Pick<LogEvent, 'type'>): string {
  return words(type.replace(/^otad\./, '').replace('.', ' '));
}

/// What its data say, as far as it is said in few words.
export function facts_of({data, subject}: Pick<LogEvent, 'data' | 'subject'>): string {
  const facts = SHOWN.flatMap((name) => {
    const value = data[name];
    if (value === null || value === undefined || value === '' || value === subject || typeof value === 'object') return [];
    return [`${words(name)} ${name === 'reason' ? words(String(value)) : String(value)}`];
  });
  if (typeof data['stage'] === 'number' && data['stage'] > 0) facts.unshift(`stage ${data['stage']} of ${String(data['stages'])}`);
  return facts.join(' · ');
}

export function address_of({type, subject}: Pick<LogEvent, 'type' | 'subject'>): string | null {
  const [, group] = type.split('.');
  switch (group) {
    case 'rollout': return link_to(['rollouts', subject]);
    case 'task': return link_to(['tasks', subject]);
    case 'device': return link_to(['devices', subject]);
    case 'firmware': return link_to(['firmware']);
    case 'server': return link_to(['health']);
    default: return null;
  }
}

export interface EventPage { items: LogEvent[]; next: number; oldest: number; newest: number }

const MOST_READ = 20_000;  // numbers that are looked back
const MOST_PAGES = 10;

/// The newest `most` events that match, newest first.
export async function newest_of(read: (since: number, limit: number) => Promise<EventPage>, most: number, filtered: boolean): Promise<LogEvent[]> {
  const {newest} = await read(0, 1);
  let since = Math.max(0, newest - (filtered ? MOST_READ : most));
  const found: LogEvent[] = [];
  for (let page = 0; page < MOST_PAGES && since < newest; ++page) {
    const {items, next} = await read(since, 1000);
    found.push(...items);
    if (next <= since) break;
    since = next;
  }
  return found.reverse().slice(0, most);
}
