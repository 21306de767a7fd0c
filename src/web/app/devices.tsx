// The registry: filter, sort, page by page. The filters are the conditions of docs/rest.md, Selection.
import type {JSX} from 'preact';
import {useLayoutEffect, useState} from 'preact/hooks';
import {SelectionActions} from './devices_actions';
import {number} from './format';
import {List} from './list';
import {useGet} from './live';
import {link_to, replace, type Route} from './route';
import type {Device} from './types';
import {Card, State, Time} from './ui';

const SORTS: [string, string][] = [['', 'id'], ['-last_seen', 'last seen first'], ['last_seen', 'silent longest first'],
  ['version', 'oldest version first'], ['-version', 'newest version first'], ['hardware', 'hardware'], ['channel', 'channel'], ['link', 'link']];

const CONDITION = /^[a-z_]+(\.[^\s=<>!~]+)?\s*(=|!=|<=?|>=?|~)/;

/// What is typed: conditions, separated by `and` or a comma; anything else is part of an id.
export function conditions_of(text: string): string[] {
  return text.split(/\s*(?:,|\band\b)\s*/).map((part) => part.trim()).filter((part) => part !== '')
    .map((part) => CONDITION.test(part) ? part : `id~${part}`);
}

export function Devices({query}: Route): JSX.Element {
  const where = query.getAll('where');
  const sort = query.get('sort') ?? '';
  const [text, set_text] = useState(where.join(', '));
  // Before anybody can type: an effect of useEffect comes after the first frame, and would undo what was typed by then.
  useLayoutEffect(() => set_text(where.join(', ')), [where.join('\n')]);
  const show = (conditions: string[], order = sort): void => replace(['devices'], {where: conditions, sort: order});
  return (
    <>
      <h1>Devices</h1>
      <Card title="Registry" aside={<Count where={where} />}>
        <form class="search" role="search" onSubmit={(event) => { event.preventDefault(); show(conditions_of(text)); }}>
          <label class="grow">Filter <input type="search" value={text} placeholder="gw-17, or version < 1.5.0, tag.site = berlin, online = false"
            onInput={(event) => set_text(event.currentTarget.value)} /></label>
          <label>Order <select value={sort} onChange={(event) => show(where, event.currentTarget.value)}>
            {SORTS.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
          </select></label>
          <button type="submit">Show</button>
          {where.length > 0 && <button type="button" onClick={() => show([])}>Clear</button>}
        </form>
        <p class="hint">Fields: id, hardware, version, channel, online, last_seen, link, outcome, tag.NAME. Operators: = != &lt; &lt;= &gt; &gt;= ~</p>
        <SelectionActions query={{where, sort}} />
        <List<Device> path="/devices" query={{where, sort}} caption="devices" row={row}
          empty={where.length > 0 ? 'No device matches.' : 'No device is known yet. Devices appear when they contact the server.'}
          head={['Device', 'Version', 'Hardware', 'Channel', 'Seen', 'Link', 'Update', 'Tags']} />
      </Card>
    </>
  );
}

function Count({where}: {where: string[]}): JSX.Element | null {
  const {data} = useGet<{count: number}>('/devices', {where, count: true});
  return data ? <span class="hint" role="status">{number(data.count)} {where.length > 0 ? 'match' : 'in all'}</span> : null;
}

function row(device: Device): JSX.Element {
  const task = device.active_task;
  return (
    <tr key={device.device_id}>
      <td><a href={link_to(['devices', device.device_id])}>{device.device_id}</a>{device.pinned && <span class="hint"> pinned</span>}</td>
      <td>{device.current_version ?? 'unknown'}</td>
      <td>{device.hardware ?? 'unknown'}</td>
      <td>{device.channel}</td>
      <td><Time at={device.last_seen} /></td>
      <td>{device.link.verdict}</td>
      <td>{task ? <><State state={task.state} /> {task.firmware_version}{task.state === 'downloading' && ` ${task.progress.percent} %`}</> : '–'}</td>
      <td>{Object.entries(device.tags).map(([name, value]) => `${name}=${value}`).join(' ')}</td>
    </tr>
  );
}
