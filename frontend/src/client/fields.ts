/** Checked reading of the fields of JSON objects that a server sent. */

/** A message of the server that breaks the protocol. */
export class WireError extends Error {}

export type Fields = Record<string, unknown>;

export function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new WireError(`the ${what} is not an object`);
  return value as Fields;
}

// Go writes an empty list as null where nobody made one, so null and absent both count as empty.
export function list(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new WireError('a list is missing');
  return value;
}

export function string(f: Fields, name: string): string {
  const v = f[name];
  if (typeof v !== 'string') throw new WireError(`"${name}" is not a string`);
  return v;
}

export function number(f: Fields, name: string): number {
  const v = f[name];
  if (typeof v !== 'number' || !Number.isFinite(v)) throw new WireError(`"${name}" is not a number`);
  return v;
}

export function optionalString(f: Fields, name: string): string | undefined {
  return f[name] === undefined || f[name] === null ? undefined : string(f, name);
}

export function optionalNumber(f: Fields, name: string): number | undefined {
  return f[name] === undefined || f[name] === null ? undefined : number(f, name);
}

/** One of the words, or the first of them: a newer server may know more. */
export function oneOf<T extends string>(f: Fields, name: string, words: readonly [T, ...T[]]): T {
  const v = string(f, name);
  return words.find((w) => w === v) ?? words[0];
}

// Absent stays absent, so that an optional field is never present as undefined.
export function given<K extends string, V>(name: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [key in K]?: V });
}
