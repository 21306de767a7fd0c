// Failed updates, grouped by what the devices said.
import type {Task} from './types';

export interface FailureGroup {
  text: string; reason: string; count: number; devices: string[]; versions: string[]; hardware: string[]; last: string;
}

const DEVICES_SHOWN = 5;

/// The last line of what an installation printed says most; numbers and addresses in it differ from device to device.
export function words_of(task: Pick<Task, 'detail' | 'reason'>): string {
  const lines = (task.detail ?? '').split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return lines[lines.length - 1] ?? (task.reason ?? 'no reason').replaceAll('_', ' ');
}

/// The most frequent first.
export function group_failures(tasks: Task[]): FailureGroup[] {
  const groups = new Map<string, FailureGroup>();
  const add = (list: string[], value: string | null, most = Infinity): void => {
    if (value !== null && !list.includes(value) && list.length < most) list.push(value);
  };
  for (const task of tasks) {
    const text = words_of(task);
    const name = `${task.reason}\n${text.replace(/0x[0-9a-f]+|\d+/gi, '#')}`;
    let group = groups.get(name);
    if (!group) groups.set(name, group = {text, reason: task.reason ?? '', count: 0, devices: [], versions: [], hardware: [], last: ''});
    ++group.count;
    add(group.devices, task.device_id, DEVICES_SHOWN);
    add(group.versions, task.firmware_version);
    add(group.hardware, task.hardware);
    const ended = task.ended_at ?? task.updated_at;
    if (ended > group.last) group.last = ended;
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}
