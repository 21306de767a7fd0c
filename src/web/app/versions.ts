// Versions of the fleet: one bar for each channel and hardware, and lines over time.
import type {Channel, FleetPoint, VersionCount} from './types';

export interface Group {
  channel: string; hardware: string | null; devices: number; target: string | null;
  versions: {version: string | null; devices: number}[];
}

const name_of = (channel: string | null, hardware: string | null): string => `${channel ?? ''}\n${hardware ?? ''}`;

/// The largest group first, in each the most frequent version first; versions beyond `most` are summed up.
export function groups_of(counts: VersionCount[], channels: Channel[], most = 6): Group[] {
  const groups = new Map<string, Group>();
  for (const {channel, hardware, version, devices} of counts) {
    if (channel === null || devices === 0) continue;
    const name = name_of(channel, hardware);
    let group = groups.get(name);
    if (!group) groups.set(name, group = {channel, hardware, devices: 0, target: target_of(channels, channel, hardware), versions: []});
    group.devices += devices;
    const same = group.versions.find((one) => one.version === version);
    if (same) same.devices += devices;
    else group.versions.push({version, devices});
  }
  for (const group of groups.values()) {
    group.versions.sort((a, b) => b.devices - a.devices);
    const rest = group.versions.splice(most);
    if (rest.length > 0)
      group.versions.push({version: '(others)', devices: rest.reduce((sum, one) => sum + one.devices, 0)});
  }
  return [...groups.values()].sort((a, b) => b.devices - a.devices);
}

function target_of(channels: Channel[], channel: string, hardware: string | null): string | null {
  const types = channels.find(({name}) => name === channel)?.hardware ?? [];
  const own = types.find((type) => type.hardware === hardware && type.target);
  return (own ?? types.find((type) => type.hardware === null))?.target?.version ?? null;
}

export interface OverTime { times: number[]; series: {version: string; values: (number | null)[]}[] }

/// Sums the points by version: each point is what held from then on. `most` series, the largest at the end first.
export function over_time(points: FleetPoint[], now: number, most = 5): OverTime {
  const ordered = points.map((point) => ({...point, at: Date.parse(point.at)})).sort((a, b) => a.at - b.at);
  const times = [...new Set(ordered.map(({at}) => at))];
  const held = new Map<string, number>();
  const rows: Map<string, number>[] = [];
  let next = 0;
  for (const time of times) {
    for (; next < ordered.length && ordered[next]!.at <= time; ++next) {
      const {channel, hardware, version, devices} = ordered[next]!;
      held.set(`${name_of(channel, hardware)}\n${version ?? 'unknown'}`, devices);
    }
    const sums = new Map<string, number>();
    for (const [name, devices] of held) {
      const version = name.split('\n')[2] ?? 'unknown';
      sums.set(version, (sums.get(version) ?? 0) + devices);
    }
    rows.push(sums);
  }
  const last = rows[rows.length - 1];
  if (!last) return {times: [], series: []};
  if (times[times.length - 1]! < now) {
    times.push(now);
    rows.push(last);
  }
  const peak = (version: string): number => Math.max(...rows.map((row) => row.get(version) ?? 0));
  const versions = [...new Set(rows.flatMap((row) => [...row.keys()]))]
    .sort((a, b) => (last.get(b) ?? 0) - (last.get(a) ?? 0) || peak(b) - peak(a)).slice(0, most);
  return {
    times: times.map((time) => time / 1000),
    series: versions.map((version) => ({version, values: rows.map((row) => row.get(version) ?? 0)})),
  };
}
