// Makes an animation from pictures. Pixels that do not change are transparent, which keeps the
// file small.

import gifenc from 'gifenc'
import { PNG } from 'pngjs'

const { GIFEncoder, applyPalette, quantize } = gifenc

/** Places pictures of equal height next to each other, in front of a color. */
export function beside(pngs, gap, [r, g, b]) {
  const images = pngs.map((png) => PNG.sync.read(png))
  const { height } = images[0]
  const whole = new PNG({ width: images.reduce((sum, { width }) => sum + width + gap, -gap), height })
  for (let i = 0; i < whole.data.length; i += 4) whole.data.set([r, g, b, 255], i)
  let x = 0
  for (const image of images) {
    PNG.bitblt(image, whole, 0, 0, image.width, height, x, 0)
    x += image.width + gap
  }
  return whole
}

/** Returns a GIF of frames with a picture and a duration in milliseconds. It repeats. */
export function animation(frames) {
  const { width, height } = frames[0].picture
  const colors = choose(frames)
  const nothing = colors.length
  const palette = [...colors, [0, 0, 0]]
  const gif = GIFEncoder()
  let before
  for (const { picture, duration } of frames) {
    const pixels = applyPalette(picture.data, colors)
    const shown = pixels.map((color, i) => (before?.[i] === color ? nothing : color))
    gif.writeFrame(shown, width, height, {
      ...(before ? {} : { palette }), delay: duration, transparent: before !== undefined, transparentIndex: nothing, dispose: 1,
    })
    before = pixels
  }
  gif.finish()
  return Buffer.from(gif.bytes())
}

/** Chooses 255 colors: the most frequent ones as they are, and others for the edges of letters. */
function choose(frames) {
  const counts = new Map()
  for (const { picture } of frames) {
    const pixels = new Uint32Array(picture.data.buffer, picture.data.byteOffset, picture.data.length / 4)
    for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1)
  }
  const colors = [...counts].sort(([, a], [, b]) => b - a).map(([color]) => color)
  const exact = colors.splice(0, 96)
  const rgb = (color) => [color & 255, (color >> 8) & 255, (color >> 16) & 255]
  return [...exact.map(rgb), ...(colors.length > 0 ? quantize(new Uint8Array(new Uint32Array(colors).buffer), 255 - exact.length) : [])]
}
