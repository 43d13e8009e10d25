import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'rolldown'
import { archiveName, packed } from './generator/archive.ts'
import { readFolder } from './generator/templates.ts'
import { background } from './templates/service/src/context/context.ts'

const root = background()
const leftOut = fileURLToPath(new URL('generator/left-out.ts', import.meta.url))

/**
 * Bundles the command with all it needs into one file, so that `npm create` fetches one package. Names stay as they are:
 * a stack in a bug report must be readable. docs/decisions/0040 has what was measured.
 */
export default defineConfig({
  input: 'generator/main.ts',
  platform: 'node',
  // Node 20 does not support `using`.
  transform: { target: 'node20.19' },
  // Leaves out modules that are loaded at once and never called: two thirds of a megabyte. The main file of jsonc-parser requires
  // its parts in a way that no bundler follows.
  resolve: {
    alias: {
      inquirer: leftOut,
      resolve: leftOut,
      'source-map': leftOut,
      tinyglobby: leftOut,
      'jsonc-parser': fileURLToPath(new URL('node_modules/jsonc-parser/lib/esm/main.js', import.meta.url)),
    },
  },
  plugins: [licences(), templates(), bin()],
  output: {
    file: 'dist/main.js',
    format: 'esm',
    codeSplitting: false,
    minify: { mangle: false, compress: true, codegen: true },
    comments: { legal: true },
  },
})

/** Writes the archive of all templates: npm takes longest to unpack 360 small files. */
function templates(): Plugin {
  return {
    name: 'templates',
    async generateBundle() {
      const source = packed(await readFolder(root))
      this.emitFile({ type: 'asset', fileName: archiveName, source })
    },
  }
}

/** Ships bin.js as it is: an old Node must be able to load it. */
function bin(): Plugin {
  return {
    name: 'bin',
    generateBundle() {
      const source = readFileSync(new URL('generator/bin.js', import.meta.url))
      this.emitFile({ type: 'asset', fileName: 'bin.js', source })
    },
  }
}

/**
 * Writes dist/LICENSES.txt: the name, version and licence of every package in the bundle.
 * @throws Error for a package without a licence file or field: it must not be shipped
 */
function licences(): Plugin {
  return {
    name: 'licences',
    generateBundle(_options, bundle) {
      const folders = new Set<string>()
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk') continue
        for (const id of chunk.moduleIds) {
          const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id.replaceAll('\\', '/'))?.[0]
          if (folder !== undefined) folders.add(folder.replace(/^\0/, ''))
        }
      }
      const texts = [...folders].map(licenceOf).sort()
      this.emitFile({ type: 'asset', fileName: 'LICENSES.txt', source: texts.join('\n') })
    },
  }
}

function licenceOf(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string
    version: string
    license?: string
  }
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)(\.|$)/i.test(name))
  if (file === undefined && manifest.license === undefined) {
    throw new Error(`${manifest.name} names no licence, so it cannot be bundled`)
  }
  const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  return `${manifest.name} ${manifest.version}: ${manifest.license ?? 'see below'}\n${text}`
}
