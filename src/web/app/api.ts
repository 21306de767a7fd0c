// Calls of the REST interface. The key is kept for this tab's session only and sent as a header, never in an address.
import type {Page} from './types';

const KEY = 'otad.key';

export const key = {
  get: (): string => sessionStorage.getItem(KEY) ?? '',
  set: (value: string): void => sessionStorage.setItem(KEY, value),
  clear: (): void => sessionStorage.removeItem(KEY),
};

/// A refusal (RFC 9457), or status 0 where the server can't be reached.
export class Problem extends Error {
  constructor(readonly status: number, readonly code: string, detail: string,
              readonly fields: {field: string; message: string}[] = []) {
    super(detail);
  }

  /// One text with the fields that it names.
  get text(): string {
    return [this.message, ...this.fields.map(({field, message}) => `${field} ${message}`)].join('; ');
  }
}

type Value = string | number | boolean | undefined | null;
export type Query = Record<string, Value | string[]>;

export function query_text(query: Query): string {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value) text.append(name, one);
    else if (value !== undefined && value !== null && value !== '') text.append(name, String(value));
  }
  return text.size > 0 ? `?${text}` : '';
}

/// Relative to the document, so that the page works behind a proxy with a path.
export function url_of(path: string, query: Query = {}): string {
  return new URL(`.${path}${query_text(query)}`, document.baseURI.split('#')[0]).href;
}

export function headers_of(more: Record<string, string> = {}): Record<string, string> {
  return key.get() ? {...more, Authorization: `Bearer ${key.get()}`} : more;
}

export function problem_of(status: number, text: string): Problem {
  try {
    const body = JSON.parse(text) as {code?: string; detail?: string; errors?: {field: string; message: string}[]};
    return new Problem(status, body.code ?? 'unknown', body.detail ?? `status ${status}`, body.errors);
  } catch {
    return new Problem(status, 'unknown', `the server answered ${status} without a reason`);
  }
}

const UNREACHABLE = 'the server can’t be reached';

export async function send(method: string, path: string, query: Query = {}, body?: unknown,
                           signal?: AbortSignal): Promise<Response> {
  const headers = headers_of(body === undefined ? {} : {'Content-Type': 'application/json'});
  const init: RequestInit = {method, headers, cache: 'no-store', redirect: 'error'};
  if (body !== undefined) init.body = JSON.stringify(body);
  if (signal) init.signal = signal;
  let reply: Response;
  try {
    reply = await fetch(url_of(path, query), init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, 'unreachable', UNREACHABLE);
  }
  if (!reply.ok) throw problem_of(reply.status, await reply.text());
  return reply;
}

async function json<T>(reply: Promise<Response>): Promise<T> {
  const text = await (await reply).text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export const get = <T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> =>
  json<T>(send('GET', path, query, undefined, signal));
export const post = <T>(path: string, body: unknown = {}, query: Query = {}): Promise<T> =>
  json<T>(send('POST', path, query, body));
export const put = <T>(path: string, body: unknown): Promise<T> => json<T>(send('PUT', path, {}, body));
export const patch = <T>(path: string, body: unknown): Promise<T> => json<T>(send('PATCH', path, {}, body));
export const remove = (path: string): Promise<void> => json<void>(send('DELETE', path));

/// Up to `most` items of a list, page by page.
export async function get_all<T>(path: string, query: Query, most: number, signal?: AbortSignal): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await get<Page<T>>(path, {...query, limit: Math.min(1000, most - items.length), cursor}, signal);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor && items.length < most);
  return items;
}

/// Saves what a GET answers as a file.
export async function download(path: string, accept: string, name: string): Promise<void> {
  const reply = await fetch(url_of(path), {headers: headers_of({Accept: accept}), cache: 'no-store'});
  if (!reply.ok) throw problem_of(reply.status, await reply.text());
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await reply.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
