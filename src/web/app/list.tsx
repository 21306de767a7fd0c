// Pages of long lists: one page is read and shown at a time; the address has the filters, not the place.
import type {ComponentChildren, JSX} from 'preact';
import {useLayoutEffect, useState} from 'preact/hooks';
import type {Query} from './api';
import {useGet} from './live';
import type {Page} from './types';
import {Failure, Loading, Table} from './ui';

const PER_PAGE = 50;

export function List<T>({path, query = {}, caption, head, row, empty, limit = PER_PAGE}: {
  path: string; query?: Query; caption: string; head: string[]; row: (item: T) => JSX.Element;
  empty: ComponentChildren; limit?: number;
}): JSX.Element {
  const [cursors, set_cursors] = useState<string[]>([]);
  const filters = path + JSON.stringify(query);
  useLayoutEffect(() => set_cursors([]), [filters]);  // before the read, which has the first page then
  const {data, error} = useGet<Page<T>>(path, {...query, limit, cursor: cursors[cursors.length - 1]});
  if (!data) return error ? <Failure error={error} /> : <Loading what={caption} />;
  const pages = cursors.length > 0 || data.next;
  return (
    <>
      <Failure error={error} />
      {data.items.length === 0 && !data.next && cursors.length === 0 ? <p class="hint">{empty}</p> :
        <Table caption={caption} head={head}>{data.items.map(row)}</Table>}
      {pages && (
        <div class="buttons">
          <button type="button" disabled={cursors.length === 0} onClick={() => set_cursors(cursors.slice(0, -1))}>Previous page</button>
          <span class="hint" role="status">page {cursors.length + 1}</span>
          <button type="button" disabled={!data.next} onClick={() => data.next && set_cursors([...cursors, data.next])}>Next page</button>
        </div>
      )}
    </>
  );
}
