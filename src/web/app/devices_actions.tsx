// What a person may do with all devices that a filter selects.
import type {JSX} from 'preact';
import {useState} from 'preact/hooks';
import {download, post, query_text, type Query} from './api';
import {devices} from './format';
import {useGet, useRead} from './live';
import type {Moved} from './schema';
import type {Channel} from './types';
import {Action, Allowed} from './ui';

const EXPORTED = 1000;

export function SelectionActions({query}: {query: Query & {where: string[]}}): JSX.Element {
  const export_all = (): Promise<void> => download(`/devices${query_text({...query, limit: EXPORTED})}`, 'text/csv', 'devices.csv');
  return (
    <div class="buttons">
      <Action label={`Export the first ${EXPORTED} (CSV)`} act={export_all} />
      {query.where.length > 0 && <Allowed role="operator" what="move these devices"><MoveAll where={query.where} /></Allowed>}
    </div>
  );
}

function MoveAll({where}: {where: string[]}): JSX.Element | null {
  const {data} = useGet<{items: Channel[]}>('/channels');
  const [channel, set_channel] = useState('');
  if (!data || data.items.length < 2) return null;
  const order = {channel, where};
  return (
    <>
      <label>Move all that match to <select value={channel} onChange={(event) => set_channel(event.currentTarget.value)}>
        <option value="">channel …</option>
        {data.items.map(({name}) => <option key={name}>{name}</option>)}
      </select></label>
      {channel && <Action label={`Move to ${channel}`} act={() => post('/devices/move', order)} ask={{
        title: `Move them to ${channel}?`, yes: 'Move them', text: <DryMove order={order} />,
      }} />}
    </>
  );
}

function DryMove({order}: {order: {channel: string; where: string[]}}): JSX.Element {
  const {data} = useRead<Moved>('/devices/move', order, () => post<Moved>('/devices/move', order, {dry_run: true}));
  if (!data) return <p class="hint">Counting …</p>;
  return <p>{devices(data.moved)} change the channel; {devices(data.will_update)} of them {data.will_update === 1 ? 'is' : 'are'} then updated to the target of {order.channel}.</p>;
}
