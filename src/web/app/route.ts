// Addresses: each view and filter is in the fragment (`#/devices?where=site%3Dlab`), which isn't sent to the server.
import {useEffect, useState} from 'preact/hooks';
import {query_text, type Query} from './api';

export interface Route { path: string[]; query: URLSearchParams }

export function parse_route(fragment: string): Route {
  const [path = '', query = ''] = fragment.replace(/^#/, '').split('?', 2);
  const parts = path.split('/').filter((part) => part !== '').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return {path: parts, query: new URLSearchParams(query)};
}

export function link_to(path: string[], query: Query = {}): string {
  return `#/${path.map(encodeURIComponent).join('/')}${query_text(query)}`;
}

export function go(path: string[], query: Query = {}): void {
  location.hash = link_to(path, query);
}

/// Like go(), without an entry of its own in the history: for what is typed.
export function replace(path: string[], query: Query = {}): void {
  history.replaceState(null, '', link_to(path, query));
  dispatchEvent(new HashChangeEvent('hashchange'));
}

export function useRoute(): Route {
  const [route, set_route] = useState(() => parse_route(location.hash));
  useEffect(() => {
    const changed = (): void => set_route(parse_route(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}
