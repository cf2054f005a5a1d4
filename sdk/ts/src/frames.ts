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
    return typeof text === 'string' && frame && typeof frame.event === 'string' && frame.event ? frame : undefined
  } catch {
    return undefined
  }
}

/** Encodes a message whose data is already JSON. */
export function encode(event: string, json?: string, room?: string, id?: string): string {
  return (
    `{"event":${JSON.stringify(event)}` +
    (json === undefined ? '' : `,"data":${json}`) +
    (room === undefined ? '' : `,"room":${JSON.stringify(room)}`) +
    (id === undefined ? '}' : `,"id":"${id}"}`)
  )
}

/** Encodes a message for protocol 1, in which the data names the room, if it is an object. */
export function encode1(event: string, json?: string, room?: string): string {
  if (room !== undefined && (json ?? '{')[0] === '{') {
    json = JSON.stringify({ room, ...(JSON.parse(json ?? '{}') as object) })
  }
  return encode(event, json)
}

/** The number of bytes of text in UTF-8. */
export function size(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // Each half of a surrogate pair accounts for two of its four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1
  }
  return bytes
}
