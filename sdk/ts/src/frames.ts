import type { Sender } from './types.js'

/** A message as it is on the wire. */
export interface Frame {
  readonly event: string
  readonly data?: unknown
  readonly room?: string
  readonly from?: Sender
  readonly id?: string
}

/** Parses a message. It returns undefined if the text is not one. */
export function parse(text: unknown): Frame | undefined {
  try {
    const frame = JSON.parse(text as string) as Frame
    if (typeof frame.event === 'string' && frame.event) return frame
  } catch {}
  return undefined
}

/** Encodes a message. Fields that are undefined are left out. */
export function encode(event: string, data?: unknown, room?: string, id?: string): string {
  return JSON.stringify({ event, data, room, id })
}

/** Translates a message to protocol 1: without an id, and with the room in the data. */
export function downgrade(text: string): string {
  const { event, data, room } = JSON.parse(text) as { event: string; data?: unknown; room?: string }
  const object = (JSON.stringify(data) ?? '{')[0] === '{'
  return encode(event, room && object ? { room, ...(data as object) } : data)
}

/**
 * The number of bytes of JSON in UTF-8. Older versions of React Native have no TextEncoder. In JSON,
 * surrogates are always pairs, which take four bytes.
 */
export const size = (json: string): number =>
  encodeURI(json).replace(/%../g, '.').length
