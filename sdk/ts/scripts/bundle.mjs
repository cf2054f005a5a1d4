import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'

const { version, name } = (await import('../package.json', { with: { type: 'json' } })).default

/** Bundles and minifies a module as applications do, and returns the text. */
export async function bundle(entry, options) {
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
    bundle: true,
    minify: true,
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    banner: options.format === 'iife' ? { js: `/* ${name} ${version}, MIT license */` } : {},
    write: false,
    ...options,
  })
  return result.outputFiles?.[0].text ?? ''
}
